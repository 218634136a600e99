/* SPDX-License-Identifier: ISC
 *
 * One name with several addresses, by dnsmasq: nginx behind two of them, one that refuses, one black-holed by a full backlog, one that
 * takes connections and never answers; and answers that change.
 */
#include "pool_fixture.h"

#include "certificates.h"
#include "full_listener.h"
#include "real.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { CONNS_MAX = 60 };

static const char first[] = "127.0.1.1", second[] = "127.0.1.2", refusing[] = "127.0.1.3", hole[] = "127.0.1.4",
                  mute[] = "127.0.1.5";
static uint16_t port;
static pid_t names, web;
static char servers[32];
static struct full_listener full;
static int mute_fd = -1;

/* ---- the servers ---- */

static int listen_and_be_mute(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, mute, &at.sin_addr);
    mute_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return mute_fd >= 0 && bind(mute_fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(mute_fd, 500) == 0;
}

/* How often dnsmasq has said that it read the names. */
static unsigned times_read(void)
{
    char line[512];
    unsigned times = 0;
    FILE *log = fopen(real_file("log"), "r");
    while (log && fgets(line, sizeof line, log))
        times += strstr(line, "/names - ") != NULL;
    if (log)
        fclose(log);
    return times;
}

static bool start_names(void)
{
    const uint16_t own = real_port("127.0.0.1");
    const struct passwd *me = getpwuid(geteuid());
    char port_text[32], file[160], user[64];
    snprintf(servers, sizeof servers, "127.0.0.1:%u", own);
    snprintf(port_text, sizeof port_text, "--port=%u", own);
    snprintf(file, sizeof file, "--addn-hosts=%s", real_file("names"));
    snprintf(user, sizeof user, "--user=%s", me ? me->pw_name : "root");
    real_write("names", "127.0.1.1 good.test\n");
    names = real_start((const char *const[]){real_program("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null",
                                             "--pid-file=", "--no-resolv", "--no-hosts", "--no-poll",
                                             "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/",
                                             "--local-ttl=1", "--log-facility=-", port_text, file, user, NULL},
                       0);
    return real_listens(names, "127.0.0.1", own) && REAL_UNTIL(times_read() > 0);
}

static bool start_servers(void)
{
    port = real_port("0.0.0.0"); /* on none of the addresses is anybody else */
    if (real_nginx_configure(first, second, port, "") < 0)
        return false;
    web = real_nginx_start();
    return real_listens(web, first, port) && real_listens(web, second, port) &&
           full_listener_at(&full, hole, port) == 0 && listen_and_be_mute() && start_names();
}

static void stop_servers(void)
{
    real_stop(names, SIGTERM);
    real_stop(web, SIGTERM);
    full_listener_close(&full);
    close(mute_fd);
}

/* NULL-terminated. */
static void names_say(const char *const *addresses)
{
    char text[512] = "";
    for (size_t used = 0; *addresses; addresses++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s good.test\n", *addresses);
    assert_int_equal(real_write("names", "%s", text), 0);
    const unsigned before = times_read();
    kill(names, SIGHUP);
    assert_true(REAL_UNTIL(times_read() > before));
}

/* ---- the client ---- */

static struct evpool_name *begin(struct pool_fixture *f)
{
    const struct evpool_tls tls = {.bytes = sizeof tls, .ca_file = certificate_file("ca.pem")};
    struct evpool_name *name = NULL;
    f->options.dns_servers = servers;
    f->options.hosts_file = "";
    f->options.connect_timeout_ns =
        200 * MS; /* before another address is tried beside it: what never answers is blamed */
    f->options.attempt_delay_ns = 2 * SECOND;
    f->options.tls_timeout_ns = 500 * MS;
    f->options.retries = 100;
    f->options.backoff_ns = 20 * MS;
    f->options.backoff_max_ns = 100 * MS;
    f->options.eject_failures = 2;
    f->options.eject_ns = f->options.eject_max_ns = 3600 * SECOND;
    pool_open(f);
    assert_int_equal(evpool_name_get(f->pool, "good.test", port, &tls, &name, NULL), 0);
    pool_thread(f);
    return name;
}

static struct evpool_figures figures_of(struct evpool_name *name, const char *address)
{
    struct evpool_figures figures;
    char text[80], wanted[80];
    snprintf(wanted, sizeof wanted, "tcp:%s:%u", address, port);
    for (unsigned i = 0; evpool_address_figures(name, i, text, sizeof text, &figures) == 0; i++)
        if (strcmp(text, wanted) == 0)
            return figures;
    return (struct evpool_figures){.total = 0};
}

/* Once all five are known. */
static bool all_known(struct evpool_name *name)
{
    struct evpool_figures figures;
    char text[80];
    return evpool_address_figures(name, 4, text, sizeof text, &figures) == 0;
}

static uint64_t failures(struct evpool_name *name)
{
    return figures_of(name, refusing).errors[EVPOOL_ERROR_connect_refused] +
           figures_of(name, hole).errors[EVPOOL_ERROR_connect_timeout] +
           figures_of(name, mute).errors[EVPOOL_ERROR_tls_timeout];
}

static bool all_ejected(struct evpool_name *name)
{
    return figures_of(name, refusing).ejections && figures_of(name, hole).ejections && figures_of(name, mute).ejections;
}

/* A new connection, all others being held, must answer from one of the good addresses. */
static struct evpool_conn *connect_and_get(struct evpool_name *name, char *body, size_t bytes)
{
    struct evpool_conn *conn = NULL;
    assert_int_equal(evpool_acquire_wait(name, 0, &conn, NULL), 0);
    assert_int_equal(real_get(conn, body, bytes, 20 * SECOND), 0);
    assert_true(strcmp(body, first) == 0 || strcmp(body, second) == 0);
    assert_non_null(strstr(evpool_conn_address(conn), body));
    return conn;
}

static void five__three_are_bad__only_good_ones_lent_and_bad_ones_ejected(struct pool_fixture *f)
{
    struct evpool_conn *conns[CONNS_MAX];
    unsigned count = 0, of_first = 0, of_second = 0;
    char body[64];
    names_say((const char *const[]){first, second, refusing, hole, mute, NULL});
    struct evpool_name *name = begin(f);
    while (count < CONNS_MAX - 10 && !(of_first && of_second && all_known(name) && all_ejected(name))) {
        conns[count++] = connect_and_get(name, body, sizeof body);
        of_first += strcmp(body, first) == 0;
        of_second += strcmp(body, second) == 0;
        if (!all_known(name))
            usleep(100000);
    }
    assert_true(of_first && of_second && all_ejected(name));
    assert_true(figures_of(name, refusing).errors[EVPOOL_ERROR_connect_refused] >= 2);
    assert_true(figures_of(name, hole).errors[EVPOOL_ERROR_connect_timeout] >= 2);
    assert_true(figures_of(name, mute).errors[EVPOOL_ERROR_tls_timeout] >= 2);
    const uint64_t before = failures(name);
    for (unsigned i = 0; i < 10; i++)
        conns[count++] = connect_and_get(name, body, sizeof body);
    assert_int_equal(failures(name), before); /* they are left alone now */
    assert_int_equal(figures_of(name, first).total + figures_of(name, second).total, count);
    while (count)
        evpool_release(conns[--count], true);
    evpool_name_put(name);
}

static void none_answers__acquire__ends_in_time_and_says_what_was_tried(struct pool_fixture *f)
{
    struct evpool_conn *conn = NULL;
    struct evpool_error *error = NULL;
    char text[1024];
    names_say((const char *const[]){refusing, hole, mute, NULL});
    struct evpool_name *name = begin(f);
    assert_true(evpool_acquire_wait(name, 3 * SECOND, &conn, &error) < 0);
    assert_non_null(error);
    evpool_error_print(error, text, sizeof text);
    print_message("%s\n", text);
    assert_non_null(strstr(text, "good.test"));
    evpool_error_free(error);
    assert_true(REAL_UNTIL(pool_name_figures(name).pending == 0));
    assert_int_equal(pool_name_figures(name).total, 0);
    evpool_name_put(name);
}

static bool answered_by(struct evpool_name *name, const char *address)
{
    struct evpool_conn *conn = NULL;
    char body[64] = "";
    assert_int_equal(evpool_acquire_wait(name, 0, &conn, NULL), 0);
    const int error = real_get(conn, body, sizeof body, 20 * SECOND);
    const bool reused = evpool_conn_uses(conn) > 1;
    evpool_release(conn, error == 0);
    assert_true(error == 0 || reused);
    return strcmp(body, address) == 0;
}

static void answers_change__connections_follow(struct pool_fixture *f)
{
    names_say((const char *const[]){first, NULL});
    struct evpool_name *name = begin(f);
    assert_true(REAL_UNTIL(answered_by(name, first)));
    names_say((const char *const[]){second, NULL});
    assert_true(REAL_UNTIL(answered_by(name, second)));
    assert_true(REAL_UNTIL(pool_name_figures(name).closed[EVPOOL_CLOSED_evicted] >= 1));
    for (unsigned i = 0; i < 20; i++)
        assert_true(answered_by(name, second));
    evpool_name_put(name);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(five__three_are_bad__only_good_ones_lent_and_bad_ones_ejected),
        POOL_CASE(none_answers__acquire__ends_in_time_and_says_what_was_tried),
        POOL_CASE(answers_change__connections_follow),
    };
    if (!real_program("dnsmasq") || !real_program("nginx"))
        return REAL_SKIPPED;
    assert_int_equal(real_begin(), 0);
    assert_non_null(certificates_make());
    const bool ready = start_servers();
    const int failed = ready ? pool_fixture_run("pool real addresses", cases, sizeof cases / sizeof *cases) : 1;
    if (!ready)
        printf("the servers did not start\n");
    stop_servers();
    certificates_remove();
    real_end();
    return failed;
}
