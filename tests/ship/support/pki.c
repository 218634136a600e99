/* SPDX-License-Identifier: ISC
 *
 * Certificates for tests: signers, certificates of any time and name, revocation lists, files of keys; in a folder of their own.
 */
#include "pki.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#undef NDEBUG
#include <assert.h>

void pki_init(struct pki *pki)
{
    snprintf(pki->folder, sizeof(pki->folder), "/tmp/evtrail-pki-XXXXXX");
    assert(mkdtemp(pki->folder));
}

void pki_fini(struct pki *pki)
{
    DIR *folder = opendir(pki->folder);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    rmdir(pki->folder);
}

const char *pki_path(const struct pki *pki, const char *name)
{
    static char paths[8][160];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", pki->folder, name);
    return path;
}

void pki_file(const struct pki *pki, const char *name, const char *text, unsigned mode)
{
    const int fd = open(pki_path(pki, name), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    assert(fd >= 0);
    assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    assert(fchmod(fd, mode) == 0);
    close(fd);
}

static long next_serial = 1000;

static X509 *make(const char *name, EVP_PKEY *key, long from_s, long to_s)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), next_serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                               -1, 0);
    return certificate;
}

static void extend(X509 *certificate, X509 *signer, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, signer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    assert(extension);
    assert(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static FILE *create(const char *path, mode_t mode)
{
    const int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, mode);
    assert(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert(file);
    return file;
}

void pki_signer_init(const struct pki *pki, struct pki_signer *signer, const char *name)
{
    char file_name[80];
    snprintf(file_name, sizeof(file_name), "%s.pem", name);
    signer->key = EVP_EC_gen("P-256");
    signer->certificate = make(name, signer->key, -86400, 86400);
    X509_set_issuer_name(signer->certificate, X509_get_subject_name(signer->certificate));
    extend(signer->certificate, signer->certificate, NID_basic_constraints, "critical,CA:TRUE");
    extend(signer->certificate, signer->certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    extend(signer->certificate, signer->certificate, NID_subject_key_identifier, "hash");
    assert(X509_sign(signer->certificate, signer->key, EVP_sha256()));
    FILE *file = create(pki_path(pki, file_name), 0644);
    PEM_write_X509(file, signer->certificate);
    fclose(file);
}

void pki_signer_fini(struct pki_signer *signer)
{
    X509_free(signer->certificate);
    EVP_PKEY_free(signer->key);
}

struct pki_certificate pki_certificate(const struct pki *pki, const struct pki_signer *signer, const char *name,
                                       const char *names, long from_s, long to_s)
{
    struct pki_certificate result;
    snprintf(result.cert_file, sizeof(result.cert_file), "%s/%s.pem", pki->folder, name);
    snprintf(result.key_file, sizeof(result.key_file), "%s/%s.key", pki->folder, name);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make(name, key, from_s, to_s);
    result.serial = ASN1_INTEGER_get(X509_get0_serialNumber(certificate));
    X509_set_issuer_name(certificate, X509_get_subject_name(signer->certificate));
    extend(certificate, signer->certificate, NID_basic_constraints, "critical,CA:FALSE");
    if (names)
        extend(certificate, signer->certificate, NID_subject_alt_name, names);
    assert(X509_sign(certificate, signer->key, EVP_sha256()));
    FILE *file = create(result.cert_file, 0644);
    PEM_write_X509(file, certificate);
    fclose(file);
    file = create(result.key_file, 0600);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return result;
}

void pki_revoked(const struct pki *pki, const struct pki_signer *signer, const char *name, long serial, long to_s)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *when = X509_gmtime_adj(NULL, -60);
    X509_CRL_set_version(list, 1);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(signer->certificate));
    X509_CRL_set1_lastUpdate(list, when);
    if (serial) {
        X509_REVOKED *one = X509_REVOKED_new();
        ASN1_INTEGER *number = ASN1_INTEGER_new();
        ASN1_INTEGER_set(number, serial);
        X509_REVOKED_set_serialNumber(one, number);
        X509_REVOKED_set_revocationDate(one, when);
        X509_CRL_add0_revoked(list, one);
        ASN1_INTEGER_free(number);
    }
    X509_gmtime_adj(when, to_s);
    X509_CRL_set1_nextUpdate(list, when);
    assert(X509_CRL_sign(list, signer->key, EVP_sha256()));
    FILE *file = create(pki_path(pki, name), 0644);
    PEM_write_X509_CRL(file, list);
    fclose(file);
    ASN1_TIME_free(when);
    X509_CRL_free(list);
}
