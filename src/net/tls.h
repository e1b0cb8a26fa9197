/* SPDX-License-Identifier: MIT */
/* TLS of MQTT connections: what the files say, made into one OpenSSL context for all connections
 * that share them. Private to net/, the loop's thread. */
#ifndef WATTLE_NET_TLS_H
#define WATTLE_NET_TLS_H

#include "net/loop.h"

#include <openssl/ssl.h>

/* One set of files and one host. Lives as long as its loop. */
struct tls {
    struct tls *next;
    char *host, *ca_file, *cert_file, *key_file; /* NULL: none */
    int64_t changed_ns[3];                       /* of the files, when they were read */
    SSL_CTX *context;
    /* Of the connection that is being served; 0: none. */
    long verify_error;
    int alert; /* that the broker sent, RFC 8446, 6.2 */
};

bool tls_wanted(const struct mqtt_options *o);
/* Reads the files, unless they are known and unchanged: a certificate that is renewed on disk is
 * used by the next connection. ERR_USAGE: one line names the file and what is wrong. */
int tls_get(struct tls **out, struct loop *l, const struct mqtt_options *o, struct err *e);
/* Before a connection is served. */
void tls_clear(struct tls *t);
bool tls_has_problem(const struct tls *t);
/* One line for a handshake that failed; said: what libmosquitto logged. lasting: as in
 * mqtt_options.on_disconnect. */
void tls_problem(const struct tls *t, const char *said, char *out, size_t size, bool *lasting);
void tls_forget(struct loop *l); /* for loop_close */

#endif
