/* SPDX-License-Identifier: ISC
 *
 * Names in certificates, and the rules that allow them.
 */
#include "ship/net_internal.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool tls_rule_valid(const char *rule)
{
    const char *name = strncmp(rule, "*.", 2) == 0 ? rule + 2 : rule;
    const size_t length = strlen(name);
    if (length == 0 || length > NET_IDENTITY_BYTES || name[0] == '.')
        return false;
    for (const char *c = name; *c; c++)
        if (*c <= ' ' || *c > '~' || *c == '*' || *c == '/' || *c == ',')
            return false;
    return true;
}

/* Of a name that is printable and has no '*' of its own. */
bool tls_rule_allows(const char *rule, const char *name)
{
    if (strncmp(rule, "*.", 2) != 0)
        return strcasecmp(rule, name) == 0;
    const char *suffix = rule + 1; /* with its dot */
    const size_t length = strlen(name), suffix_length = strlen(suffix);
    return length > suffix_length && name[0] != '.' && strcasecmp(name + length - suffix_length, suffix) == 0;
}

/* False: not a name to be believed: bytes that hide something, wildcards. */
static bool copy_name(const ASN1_STRING *string, char *name, size_t bytes)
{
    const char *data = (const char *)ASN1_STRING_get0_data(string);
    const size_t length = (size_t)ASN1_STRING_length(string);
    if (length == 0 || length >= bytes)
        return false;
    for (size_t i = 0; i < length; i++)
        if (data[i] <= ' ' || data[i] > '~' || data[i] == '*')
            return false;
    memcpy(name, data, length);
    name[length] = '\0';
    return true;
}

static bool allowed(char *const *rules, const char *name)
{
    if (!rules || !rules[0])
        return true;
    for (; *rules; rules++)
        if (tls_rule_allows(*rules, name))
            return true;
    return false;
}

static void common_name(X509 *certificate, char *name, size_t bytes)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const X509_NAME_ENTRY *entry = index >= 0 ? X509_NAME_get_entry(subject, index) : NULL;
    if (!entry || !copy_name(X509_NAME_ENTRY_get_data(entry), name, bytes))
        name[0] = '\0';
}

bool tls_name_of(X509 *certificate, char *const *rules, char *ret_name, size_t bytes)
{
    char name[NET_IDENTITY_BYTES + 1];
    bool found = false;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    ret_name[0] = '\0';
    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);
        if (one->type != GEN_DNS || !copy_name(one->d.dNSName, name, sizeof(name)))
            continue;
        found = allowed(rules, name);
        if (found || !ret_name[0])
            snprintf(ret_name, bytes, "%s", name);
    }
    GENERAL_NAMES_free(names);
    if (!found && !ret_name[0])
        common_name(certificate, ret_name, bytes);
    return found || !rules || !rules[0];
}
