// OpenSSL 3 as the system provides it (Debian: libssl-dev), with what of it Swift cannot import: macros.
#ifndef COPENSSL_SHIM_H
#define COPENSSL_SHIM_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#endif
