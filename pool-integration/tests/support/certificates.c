/* SPDX-License-Identifier: ISC
 *
 * Certificates made for a test run by OpenSSL's library.
 */
#include "certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DAY_S = 86400 };

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

static char directory[64];
static const char *const files[] = {"ca.pem",      "other_ca.pem", "good.pem",  "good.key",   "expired.pem",
                                    "expired.key", "other.pem",    "other.key", "client.pem", "client.key"};

const char *certificate_file(const char *name)
{
    static char paths[8][128];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension)
        X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* Issuer NULL: signs itself. names NULL: an authority. */
static struct identity identity_make(const char *common_name, const char *names, const struct identity *issuer,
                                     long until_s)
{
    static long serial = 1;
    struct identity made = {X509_new(), EVP_EC_gen("P-256")};
    X509 *certificate = made.certificate;
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -10 * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until_s);
    X509_set_pubkey(certificate, made.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               (const unsigned char *)common_name, -1, -1, 0);
    X509 *signer = issuer ? issuer->certificate : certificate;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer));
    add_extension(certificate, signer, NID_basic_constraints, names ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (names)
        add_extension(certificate, signer, NID_subject_alt_name, names);
    X509_sign(certificate, issuer ? issuer->key : made.key, EVP_sha256());
    return made;
}

static bool write_certificate(const char *name, X509 *certificate)
{
    FILE *file = fopen(certificate_file(name), "w");
    const bool ok = file && PEM_write_X509(file, certificate);
    return file && fclose(file) == 0 && ok;
}

static bool write_key(const char *name, EVP_PKEY *key)
{
    FILE *file = fopen(certificate_file(name), "w");
    const bool ok = file && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    return file && fclose(file) == 0 && ok;
}

static void identity_free(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

const char *certificates_make(void)
{
    static const char names[] = "DNS:good.test,IP:127.0.0.1,IP:::1";
    snprintf(directory, sizeof(directory), "/tmp/evpool-certificates.XXXXXX");
    if (!mkdtemp(directory))
        return NULL;
    struct identity ca = identity_make("the authority", NULL, NULL, 10 * DAY_S);
    struct identity other_ca = identity_make("the other authority", NULL, NULL, 10 * DAY_S);
    struct identity leaves[] = {identity_make("good", names, &ca, 10 * DAY_S),
                                identity_make("expired", names, &ca, -DAY_S),
                                identity_make("other", names, &other_ca, 10 * DAY_S),
                                identity_make("client", "DNS:client.test", &ca, 10 * DAY_S)};
    bool ok = write_certificate(files[0], ca.certificate) && write_certificate(files[1], other_ca.certificate);
    for (size_t i = 0; i < 4; i++) {
        ok = ok && write_certificate(files[2 + 2 * i], leaves[i].certificate) &&
             write_key(files[3 + 2 * i], leaves[i].key);
        identity_free(&leaves[i]);
    }
    identity_free(&ca);
    identity_free(&other_ca);
    return ok ? directory : NULL;
}

void certificates_remove(void)
{
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        unlink(certificate_file(files[i]));
    rmdir(directory);
}
