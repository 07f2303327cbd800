// OpenSSL 3 as the system provides it (Debian: libssl-dev), with what of it Swift cannot import: macros.
#ifndef COPENSSL_SHIM_H
#define COPENSSL_SHIM_H

// The system's types are Glibc's: without this they would be this module's too, and which of the two Swift takes them for differs from
// build to build.
#pragma clang module import SwiftGlibc

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#endif
