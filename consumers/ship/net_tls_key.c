/* SPDX-License-Identifier: ISC
 *
 * Files with secrets, whose mode is checked, and pre-shared keys (RFC 8446, section 4.2.11: external PSKs).
 */
#include "ship/net_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- secret files ---- */

/* The group may read what belongs to root: so are keys shared (Debian's ssl-cert), and so systemd hands out credentials. */
static int check_mode(int fd, const char *path, const char *what, size_t *ret_bytes, struct net_text *ret_why)
{
    struct stat status;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        return net_say(ret_why, -EINVAL, "%s: no regular file, as a %s file must be", path, what);
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return net_say(ret_why, -EINVAL, "%s: a %s file that belongs to another user (uid %u)", path, what,
                       (unsigned)status.st_uid);
    const mode_t open_to = status.st_mode & (status.st_uid == 0 ? 0037 : 0077);
    if (open_to)
        return net_say(ret_why, -EINVAL, "%s: a %s file that others may read or write (mode %04o); chmod 600 it", path,
                       what, (unsigned)(status.st_mode & 07777));
    if (status.st_size > SECRET_FILE_MAX)
        return net_say(ret_why, -EINVAL, "%s: too large for a %s file", path, what);
    *ret_bytes = (size_t)status.st_size;
    return 0;
}

static int read_all(int fd, char *text, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        const ssize_t n = read(fd, text + done, bytes - done);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -EIO;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int read_checked(int fd, const char *path, const char *what, char **ret_text, size_t *ret_bytes,
                        struct net_text *ret_why)
{
    char error[80];
    size_t bytes = 0;
    int result = check_mode(fd, path, what, &bytes, ret_why);
    if (result < 0)
        return result;
    char *text = malloc(bytes + 1);
    if (!text)
        return net_say(ret_why, -ENOMEM, "out of memory");
    result = read_all(fd, text, bytes);
    if (result < 0) {
        secret_free(text, bytes);
        return net_say(ret_why, -EINVAL, "%s: cannot be read: %s", path, net_errno(result, error, sizeof(error)));
    }
    text[bytes] = '\0';
    *ret_text = text;
    *ret_bytes = bytes;
    return 0;
}

int secret_read(const char *path, const char *what, char **ret_text, size_t *ret_bytes, struct net_text *ret_why)
{
    char error[80];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return net_say(ret_why, -EINVAL, "%s: %s file cannot be opened: %s", path, what,
                       net_errno(errno, error, sizeof(error)));
    const int result = read_checked(fd, path, what, ret_text, ret_bytes, ret_why);
    close(fd);
    return result;
}

void secret_free(char *text, size_t bytes)
{
    if (text)
        OPENSSL_cleanse(text, bytes);
    free(text);
}

/* ---- pre-shared keys ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* "ID:HEX"; NULL, or what is wrong. */
static const char *parse_key(struct tls_key *key, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    if (!colon)
        return "no ':' between ID and key";
    const size_t id_bytes = (size_t)(colon - line), digits = length - id_bytes - 1;
    if (id_bytes == 0 || id_bytes > NET_IDENTITY_BYTES)
        return "an ID has 1 to 253 bytes";
    for (size_t i = 0; i < id_bytes; i++)
        if (line[i] <= ' ' || line[i] > '~')
            return "an ID is printable, without blanks";
    if (digits % 2 || digits < 2 * KEY_BYTES_MIN || digits > 2 * KEY_BYTES_MAX)
        return "a key has 32 to 128 hexadecimal digits (openssl rand -hex 32)";
    memcpy(key->id, line, id_bytes);
    key->id[id_bytes] = '\0';
    key->size = digits / 2;
    for (size_t i = 0; i < key->size; i++) {
        const int high = hex_digit(colon[1 + 2 * i]), low = hex_digit(colon[2 + 2 * i]);
        if (high < 0 || low < 0)
            return "a key is hexadecimal (openssl rand -hex 32)";
        key->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return NULL;
}

static int add_key(struct tls_keys *keys, size_t *room, const struct tls_key *key)
{
    if (keys->count == *room) {
        const size_t wider = *room ? *room * 2 : 8;
        struct tls_key *items = calloc(wider, sizeof(*items));
        if (!items)
            return -ENOMEM;
        if (keys->count)
            memcpy(items, keys->items, keys->count * sizeof(*items));
        secret_free((char *)keys->items, keys->count * sizeof(*items));
        keys->items = items;
        *room = wider;
    }
    keys->items[keys->count++] = *key;
    return 0;
}

static int parse_keys(struct tls_keys *keys, const char *path, const char *text, struct net_text *ret_why)
{
    size_t room = 0;
    unsigned number = 0;
    while (*text) {
        const char *end = strchrnul(text, '\n');
        size_t length = (size_t)(end - text);
        while (length && (text[length - 1] == ' ' || text[length - 1] == '\r' || text[length - 1] == '\t'))
            length--;
        struct tls_key key = {0};
        number++;
        const char *wrong = length && text[0] != '#' ? parse_key(&key, text, length) : NULL;
        if (!wrong && key.size && tls_keys_find(keys, key.id, strlen(key.id)))
            wrong = "this ID is there twice";
        if (wrong || keys->count >= KEYS_MAX)
            return net_say(ret_why, -EINVAL, "%s, line %u: %s", path, number, wrong ? wrong : "too many keys");
        const int result = key.size ? add_key(keys, &room, &key) : 0;
        OPENSSL_cleanse(&key, sizeof(key));
        if (result < 0)
            return net_say(ret_why, result, "out of memory");
        text = *end ? end + 1 : end;
    }
    return keys->count ? 0
                       : net_say(ret_why, -EINVAL, "%s: no key in it; ID:HEX is wanted (openssl rand -hex 32)", path);
}

int tls_keys_load(struct tls_keys *ret_keys, const char *path, struct net_text *ret_why)
{
    char *text;
    size_t bytes;
    struct tls_keys keys = {0};
    int result = secret_read(path, "key", &text, &bytes, ret_why);
    if (result < 0)
        return result;
    result = memchr(text, '\0', bytes) ? net_say(ret_why, -EINVAL, "%s: a key file is text", path)
                                       : parse_keys(&keys, path, text, ret_why);
    secret_free(text, bytes);
    if (result < 0)
        tls_keys_free(&keys);
    else
        *ret_keys = keys;
    return result;
}

void tls_keys_free(struct tls_keys *keys)
{
    secret_free((char *)keys->items, keys->count * sizeof(*keys->items));
    *keys = (struct tls_keys){0};
}

const struct tls_key *tls_keys_find(const struct tls_keys *keys, const char *id, size_t id_bytes)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strlen(keys->items[i].id) == id_bytes && memcmp(keys->items[i].id, id, id_bytes) == 0)
            return &keys->items[i];
    return NULL;
}

SSL_SESSION *tls_key_session(SSL *ssl, const struct tls_key *key)
{
    static const unsigned char aes_128_gcm_sha256[] = {0x13, 0x01}; /* external keys go with SHA-256 */
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
    SSL_SESSION *session = SSL_SESSION_new();
    if (session && cipher && SSL_SESSION_set1_master_key(session, key->bytes, key->size) &&
        SSL_SESSION_set_cipher(session, cipher) && SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION))
        return session;
    SSL_SESSION_free(session);
    return NULL;
}
