/* SHA-256 of OpenSSL's libcrypto. These functions keep their state in a plain structure and cannot fail; the newer EVP interface allocates. */
#ifndef KAIROS_COPENSSL_SHIM_H
#define KAIROS_COPENSSL_SHIM_H
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#endif
