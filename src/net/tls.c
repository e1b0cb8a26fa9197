/* SPDX-License-Identifier: MIT */
/* Owns TLS contexts: TLS 1.2 at least, the broker's certificate checked against the authorities and
 * the host's name, and one line for each thing that can be wrong.
 *
 * The context is ours and not libmosquitto's, for three reasons: the files are read and judged
 * before the first connection, and once for a thousand devices; the certificate is compared with
 * the name that the user gave while the connection goes to an address that resolve.c found; and a
 * refusal says what is wrong with the certificate. */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool tls_wanted(const struct mqtt_options *o)
{
    return o->tls || (o->ca_file && o->ca_file[0]);
}

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* ---- the files ---- */

/* Why OpenSSL did not take a file: its last word, without its numbers. */
static const char *last_word(char out[LIBRARY_WORDS_SIZE])
{
    return library_words(out, ERR_reason_error_string(ERR_peek_last_error()));
}

static int check_file(const char *name, const char *path, struct err *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(e, ERR_USAGE, "%s '%s': %s", name, path, strerror(errno));
    int rc = fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)
                 ? err_set(e, ERR_USAGE, "%s '%s': no regular file", name, path)
                 : 0;
    close(fd);
    return rc;
}

/* A key with a passphrase must not make OpenSSL ask the terminal for it. */
static int no_passphrase(char *out, int size, int writing, void *ctx)
{
    (void)out;
    (void)size;
    (void)writing;
    *(bool *)ctx = true;
    return 0;
}

static int load_authorities(SSL_CTX *c, const char *path, struct err *e)
{
    if (!path) {
        SSL_CTX_set_default_verify_paths(c);
        return 0;
    }
    char why[LIBRARY_WORDS_SIZE];
    int rc = check_file("MQTT_CA_FILE", path, e);
    if (!rc && SSL_CTX_load_verify_locations(c, path, NULL) != 1)
        rc = err_set(e, ERR_USAGE, "MQTT_CA_FILE '%s': %s, expected certificates in PEM", path,
                     last_word(why));
    return rc;
}

static int key_problem(const char *cert, const char *key, bool encrypted, struct err *e)
{
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    if (encrypted)
        return err_set(e, ERR_USAGE,
                       "MQTT_KEY_FILE '%s': it is encrypted, expected a key without passphrase",
                       key);
    if (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH)
        return err_set(e, ERR_USAGE,
                       "MQTT_KEY_FILE '%s': it is not the key of the certificate '%s'", key, cert);
    return err_set(e, ERR_USAGE, "MQTT_KEY_FILE '%s': no private key in PEM", key);
}

static int load_own(SSL_CTX *c, const char *cert, const char *key, struct err *e)
{
    char why[LIBRARY_WORDS_SIZE];
    bool encrypted = false;
    int rc = check_file("MQTT_CERT_FILE", cert, e);
    if (!rc)
        rc = check_file("MQTT_KEY_FILE", key, e);
    if (rc)
        return rc;
    SSL_CTX_set_default_passwd_cb(c, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(c, &encrypted);
    if (SSL_CTX_use_certificate_chain_file(c, cert) != 1)
        rc = err_set(e, ERR_USAGE, "MQTT_CERT_FILE '%s': %s, expected a certificate in PEM", cert,
                     last_word(why));
    else if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1 ||
             SSL_CTX_check_private_key(c) != 1)
        rc = key_problem(cert, key, encrypted, e);
    SSL_CTX_set_default_passwd_cb_userdata(c, NULL);
    SSL_CTX_set_default_passwd_cb(c, NULL);
    return rc;
}

/* ---- the context ---- */

static int on_verify(int good, X509_STORE_CTX *store)
{
    if (!good) {
        SSL *ssl = (SSL *)X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
        struct tls *t = (struct tls *)SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
        t->verify_error = X509_STORE_CTX_get_error(store);
    }
    return good;
}

/* Two things. libmosquitto asks for the name that it connects to, which is an address: RFC 6066
 * wants the host's name, or none; this comes before the first byte of the handshake is made. And
 * the broker's word on our certificate, which may come after the handshake, is kept. */
static void on_info(const SSL *ssl, int where, int result)
{
    struct tls *t = (struct tls *)SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (where & SSL_CB_HANDSHAKE_START)
        SSL_set_tlsext_host_name((SSL *)ssl, is_address(t->host) ? NULL : t->host);
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && (result & 0xff) != SSL_AD_CLOSE_NOTIFY)
        t->alert = result & 0xff;
}

static int make_context(struct tls *t, struct err *e)
{
    ERR_clear_error();
    t->context = SSL_CTX_new(TLS_client_method());
    if (!t->context)
        return err_set(e, ERR_NOMEM, "TLS: no memory");
    SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
    SSL_CTX_set_app_data(t->context, t);
    SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER, on_verify);
    SSL_CTX_set_info_callback(t->context, on_info);
    SSL_CTX_set_mode(t->context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    X509_VERIFY_PARAM *p = SSL_CTX_get0_param(t->context);
    X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    int named = is_address(t->host) ? X509_VERIFY_PARAM_set1_ip_asc(p, t->host)
                                    : X509_VERIFY_PARAM_set1_host(p, t->host, 0);
    int rc = named == 1 ? 0 : err_set(e, ERR_NOMEM, "TLS: no memory");
    if (!rc)
        rc = load_authorities(t->context, t->ca_file, e);
    if (!rc && t->cert_file)
        rc = load_own(t->context, t->cert_file, t->key_file, e);
    ERR_clear_error();
    return rc;
}

static void free_tls(struct tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->context);
    free(t->host);
    free(t->ca_file);
    free(t->cert_file);
    free(t->key_file);
    free(t);
}

static bool copy(char **out, const char *text)
{
    *out = text && text[0] ? strdup(text) : NULL;
    return *out || !text || !text[0];
}

static bool same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static int64_t changed_ns(const char *path)
{
    struct stat st;
    if (!path || !path[0] || stat(path, &st) != 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

int tls_get(struct tls **out, struct loop *l, const struct mqtt_options *o, struct err *e)
{
    const int64_t changed[3] = {changed_ns(o->ca_file), changed_ns(o->cert_file),
                                changed_ns(o->key_file)};
    for (struct tls *t = l->tls; t; t = t->next) {
        if (same(t->host, o->host) && same(t->ca_file, o->ca_file) &&
            same(t->cert_file, o->cert_file) && same(t->key_file, o->key_file) &&
            memcmp(t->changed_ns, changed, sizeof changed) == 0) {
            *out = t;
            return 0;
        }
    }
    struct tls *t = (struct tls *)calloc(1, sizeof *t);
    if (!t || !copy(&t->host, o->host) || !copy(&t->ca_file, o->ca_file) ||
        !copy(&t->cert_file, o->cert_file) || !copy(&t->key_file, o->key_file)) {
        free_tls(t);
        return err_set(e, ERR_NOMEM, "TLS: no memory");
    }
    memcpy(t->changed_ns, changed, sizeof changed);
    int rc = make_context(t, e);
    if (rc) {
        free_tls(t);
        return rc;
    }
    t->next = l->tls;
    l->tls = t;
    *out = t;
    return 0;
}

void tls_forget(struct loop *l)
{
    while (l->tls) {
        struct tls *t = l->tls;
        l->tls = t->next;
        free_tls(t);
    }
}

/* ---- what went wrong ---- */

void tls_clear(struct tls *t)
{
    t->verify_error = 0;
    t->alert = 0;
    ERR_clear_error(); /* one that is left over would be taken for the next call's */
}

bool tls_has_problem(const struct tls *t)
{
    return t->verify_error || t->alert;
}

static const char *alert_line(int alert)
{
    switch (alert) {
    case SSL_AD_CERTIFICATE_REQUIRED:
        return "the broker wants a client certificate (MQTT_CERT_FILE and MQTT_KEY_FILE)";
    case SSL_AD_UNKNOWN_CA:
        return "the broker does not know the authority of our certificate (MQTT_CERT_FILE)";
    case SSL_AD_CERTIFICATE_EXPIRED:
        return "our certificate (MQTT_CERT_FILE) has expired";
    case SSL_AD_CERTIFICATE_REVOKED:
        return "our certificate (MQTT_CERT_FILE) was revoked";
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
        return "the broker does not accept our certificate (MQTT_CERT_FILE)";
    case SSL_AD_PROTOCOL_VERSION:
        return "the broker speaks no TLS 1.2 or newer";
    case SSL_AD_HANDSHAKE_FAILURE:
        return "the broker refuses the handshake: no cipher in common, or it wants a client "
               "certificate (MQTT_CERT_FILE)";
    default:
        return NULL;
    }
}

void tls_problem(const struct tls *t, const char *said, char *out, size_t size, bool *lasting)
{
    const char *line = alert_line(t->alert), *word = strstr(said, "::");
    *lasting = true;
    if (t->verify_error)
        snprintf(out, size, "TLS: the broker's certificate is not accepted: %s",
                 X509_verify_cert_error_string(t->verify_error));
    else if (line)
        snprintf(out, size, "TLS: %s", line);
    else if (strstr(said, "unsupported protocol"))
        snprintf(out, size, "TLS: the broker speaks no TLS 1.2 or newer");
    else if (strstr(said, "wrong version number"))
        snprintf(out, size, "TLS: the broker answers without TLS on this port");
    else if (strstr(said, "unexpected eof"))
        snprintf(out, size,
                 "TLS: the connection was lost in the handshake: does this port speak "
                 "TLS?");
    else if (t->alert)
        snprintf(out, size, "TLS: the broker ended the handshake with alert %d", t->alert);
    else
        snprintf(out, size, "TLS: %s", word ? word + 2 : said);
    *lasting = t->verify_error || line || strstr(out, "the broker ");
}
