/* SPDX-License-Identifier: ISC
 *
 * Certificates made for a test run, as PEM files in a directory of their own.
 */
#ifndef EVPOOL_CERTIFICATES_H
#define EVPOOL_CERTIFICATES_H

/* Makes, in a new temporary directory (returned, static):
 *     ca.pem                      the authority that the tests trust; other_ca.pem: one that they do not
 *     good.pem, good.key          for good.test, 127.0.0.1 and ::1
 *     expired.pem, expired.key    the same, until yesterday
 *     other.pem, other.key        the same names, signed by the other authority
 *     client.pem, client.key      a client's
 * NULL: failed. */
const char *certificates_make(void);
/* "DIR/NAME": one of eight static buffers in turn. */
const char *certificate_file(const char *name);
void certificates_remove(void);

#endif /* EVPOOL_CERTIFICATES_H */
