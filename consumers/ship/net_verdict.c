/* SPDX-License-Identifier: ISC
 *
 * What a failed handshake means, in a line that says what to do: OpenSSL's error codes, the certificate that did not pass, the alert that the peer
 * sent.
 */
#include "ship/net_internal.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>

static const char *peer_word(const struct secure *secure)
{
    return secure->material->side == NET_SERVER ? "the sender's" : "the collector's";
}

static const char *trust_option(const struct secure *secure)
{
    return secure->material->side == NET_SERVER ? "--client-ca" : "--ca";
}

static void set(struct secure *secure, enum net_end end, const char *text)
{
    secure->end = end;
    net_say(&secure->reason, 0, "%s", text);
}

/* Its certificate did not pass. */
static void of_certificate(struct secure *secure)
{
    const char *who = peer_word(secure), *name = secure->name[0] ? secure->name : "without a name";
    struct net_text *why = &secure->reason;
    secure->end = NET_END_tls_certificate;
    switch (secure->verified) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        net_say(why, 0, "%s certificate (%s) has expired, or a signer's of it: it must be renewed", who, name);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        net_say(why, 0, "%s certificate (%s) is not valid yet: are both clocks right?", who, name);
        break;
    case X509_V_ERR_CERT_REVOKED:
        secure->end = NET_END_tls_revoked;
        net_say(why, 0, "%s certificate (%s) is revoked; it must be replaced", who, name);
        break;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
        secure->end = NET_END_tls_revoked;
        net_say(why, 0,
                "no revocation list in force for the signer of %s certificate (%s): %s; renew the file given as --crl",
                who, name, X509_verify_cert_error_string(secure->verified));
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        secure->end = NET_END_tls_name;
        net_say(why, 0, "%s certificate is for another name (%s); connect by that name, or say it with --server-name",
                who, name);
        break;
    default:
        net_say(why, 0, "%s certificate (%s) is not trusted: %s; its signer belongs into the file given as %s", who,
                name, X509_verify_cert_error_string(secure->verified), trust_option(secure));
        break;
    }
}

/* What the peer's alert says of us. */
static const struct alert {
    int reason;
    enum net_end end;
    const char *text;
} alerts[] = {
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, NET_END_tls_certificate,
     "the peer wants a certificate of ours, or a key that it knows: --cert and --key, or --psk-file"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, NET_END_tls_certificate,
     "the peer says that our certificate has expired, or is not valid yet"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, NET_END_tls_revoked, "the peer says that our certificate is revoked"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, NET_END_tls_certificate, "the peer does not trust the signer of our certificate"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, NET_END_tls_certificate, "the peer refuses our certificate: signature or name"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, NET_END_tls_certificate,
     "the peer refuses our certificate: it is for another purpose"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, NET_END_tls_certificate, "the peer refuses our certificate"},
    {SSL_R_TLSV1_ALERT_DECRYPT_ERROR, NET_END_tls_key, "the peer has another key of this id, or a signature is wrong"},
    {SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER, NET_END_tls_key,
     "the peer refuses what we said; if keys are used: it has another key of this id"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, NET_END_tls_version, "the peer speaks no TLS 1.3"},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, NET_END_tls_name, "the peer refuses us"},
};

static bool of_alert(struct secure *secure, int reason)
{
    for (size_t i = 0; i < sizeof(alerts) / sizeof(*alerts); i++)
        if (alerts[i].reason == reason) {
            set(secure, alerts[i].end, alerts[i].text);
            return true;
        }
    /* It means that no cipher suits, that there is no certificate to show, or that a rule does not allow our name. */
    if (reason != SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE)
        return false;
    if (secure->done)
        set(secure, NET_END_tls_name, "the peer's rules do not allow the name in our certificate");
    else if (secure->material->own_key)
        set(secure, NET_END_tls_key, "the peer does not know our key's id");
    else
        set(secure, NET_END_tls_version,
            "the peer has no TLS 1.3 cipher in common with us, or only lets in who has a key (--psk-file)");
    return true;
}

static void of_reason(struct secure *secure, unsigned long fault)
{
    const int reason = ERR_GET_REASON(fault);
    const char *words = fault ? ERR_reason_error_string(fault) : NULL;
    if (of_alert(secure, reason))
        return;
    switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        set(secure, NET_END_tls_certificate,
            "the sender showed no certificate: it needs --cert and --key (or --psk-file)");
        break;
    case SSL_R_BINDER_DOES_NOT_VERIFY:
        net_say(&secure->reason, 0,
                "the sender has another key of the id '%s' than this collector; copy the line from one --psk-file to "
                "the other",
                secure->asked_key);
        secure->end = NET_END_tls_key;
        break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
        set(secure, NET_END_tls_version, "TLS 1.3 is wanted, and the peer speaks an older one only");
        break;
    case SSL_R_NO_SHARED_CIPHER:
        set(secure, NET_END_tls_version, "no cipher in common; TLS_AES_128_GCM_SHA256 is wanted");
        break;
    case ERR_R_MALLOC_FAILURE:
        set(secure, NET_END_memory, "out of memory");
        break;
    default:
        net_say(&secure->reason, 0, "TLS is broken: %s; is something between, or is it another program?",
                words ? words : "the peer ended it");
        secure->end = NET_END_tls_protocol;
        break;
    }
}

void secure_verdict(struct secure *secure)
{
    const unsigned long fault = ERR_peek_error();
    const bool certificate = ERR_GET_REASON(fault) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    if (secure->key_unknown && secure->material->side == NET_SERVER && !secure->done) {
        net_say(&secure->reason, 0, "no key of the id '%s' is known here; it belongs into the file given as --psk-file",
                secure->asked_key);
        secure->end = NET_END_tls_key;
    } else if (secure->key_unknown) {
        net_say(&secure->reason, 0, "the collector does not know our key's id '%s'; it belongs into its --psk-file",
                secure->material->own_key->id);
        secure->end = NET_END_tls_key;
    } else if (certificate && secure->name_refused) {
        net_say(&secure->reason, 0,
                "no rule allows the name in the sender's certificate (%s); --client-name has the rules",
                secure->name[0] ? secure->name : "it has none");
        secure->end = NET_END_tls_name;
    } else if (certificate) {
        of_certificate(secure);
    } else {
        of_reason(secure, fault);
    }
}
