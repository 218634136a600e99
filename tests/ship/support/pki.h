/* SPDX-License-Identifier: ISC
 *
 * Certificates for tests: signers, certificates of any time and name, revocation lists, files of keys; in a folder of their own.
 */
#ifndef EVTRAIL_TESTS_SHIP_PKI_H
#define EVTRAIL_TESTS_SHIP_PKI_H

#include <openssl/x509.h>
#include <stdbool.h>

struct pki {
    char folder[64]; /* in /tmp; removed by pki_fini() */
};
struct pki_signer {
    X509 *certificate;
    EVP_PKEY *key;
};
struct pki_certificate {
    char cert_file[160], key_file[160];
    long serial;
};

void pki_init(struct pki *pki);
void pki_fini(struct pki *pki);
/* Writes FOLDER/NAME.pem, its certificate. */
void pki_signer_init(const struct pki *pki, struct pki_signer *signer, const char *name);
void pki_signer_fini(struct pki_signer *signer);
/* names: as in a certificate's SAN, "DNS:localhost,IP:127.0.0.1"; NULL: none. from_s, to_s: from now. Writes FOLDER/NAME.pem and NAME.key (mode 0600). */
struct pki_certificate pki_certificate(const struct pki *pki, const struct pki_signer *signer, const char *name, const char *names, long from_s, long to_s);
/* Writes FOLDER/NAME: the revocation list of `signer`, with one serial number (0: none), in force from now - 60 s to now + to_s. */
void pki_revoked(const struct pki *pki, const struct pki_signer *signer, const char *name, long serial, long to_s);
/* Writes FOLDER/NAME with this text and mode. */
void pki_file(const struct pki *pki, const char *name, const char *text, unsigned mode);
/* "FOLDER/NAME", static: of the last 8 calls. */
const char *pki_path(const struct pki *pki, const char *name);

#endif /* EVTRAIL_TESTS_SHIP_PKI_H */
