// OpenSSL 3 as the system provides it (Debian: libssl-dev), with what of it Swift cannot import: macros. Each function here is one of
// them, under its own name with a prefix.
#ifndef COPENSSL_SHIM_H
#define COPENSSL_SHIM_H

// The system's types are Glibc's: without this they would be this module's too, and which of the two Swift takes them for differs from
// build to build.
#pragma clang module import SwiftGlibc

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static inline int spork_tls_set_versions(SSL_CTX *context, int lowest, int highest) {
    return SSL_CTX_set_min_proto_version(context, lowest) && SSL_CTX_set_max_proto_version(context, highest);
}

/// What every context has; see TLSContext for the reasons.
static inline void spork_tls_set_usual_options(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_clear_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(
        context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
}

/// Keeps no session in the context itself; with `announces`, new ones are told to the callback for them.
static inline void spork_tls_keep_no_sessions(SSL_CTX *context, int announces) {
    SSL_CTX_set_session_cache_mode(
        context, announces ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
}

static inline void spork_tls_disable_tickets(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
}

static inline int spork_tls_set_ticket_keys(SSL_CTX *context, const void *keys, size_t count) {
    return (int)SSL_CTX_set_tlsext_ticket_keys(context, (void *)keys, (long)count);
}

static inline int spork_tls_take_server_name(SSL *connection, int *alert, void *unused) {
    (void)connection, (void)alert, (void)unused;
    return SSL_TLSEXT_ERR_OK;
}

/// Has a server take any name that a client asks for. Without this a session that is taken up does not know its name.
static inline void spork_tls_take_server_names(SSL_CTX *context) {
    SSL_CTX_set_tlsext_servername_callback(context, spork_tls_take_server_name);
}

static inline int spork_tls_set_server_name(SSL *connection, const char *name) {
    return (int)SSL_set_tlsext_host_name(connection, name);
}

/// Has the last attempt on `bio` tried again later, for want of input or of room.
static inline void spork_tls_bio_retry(BIO *bio, int wants_room) {
    if (wants_room) {
        BIO_set_retry_write(bio);
    } else {
        BIO_set_retry_read(bio);
    }
}

/// Writes a name as RFC 2253 has it, but with letters beyond ASCII as they are (UTF-8).
static inline int spork_tls_print_name(BIO *text, const X509_NAME *name) {
    return X509_NAME_print_ex(text, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
}

static inline void spork_tls_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }

#endif
