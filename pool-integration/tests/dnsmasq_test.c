/* SPDX-License-Identifier: ISC
 *
 * The resolver against dnsmasq, whose answers change while it runs; and its events, read back. With io_uring and with epoll.
 */
#include "loop_fixture.h"
#include "own_events.h"
#include "resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const programs[] = {"/usr/sbin/dnsmasq", "/usr/bin/dnsmasq", "/usr/local/sbin/dnsmasq"};

static char hosts[] = "/tmp/resolver_dnsmasq.XXXXXX";
static char servers[32];
static pid_t daemon_pid;

struct asked {
    struct resolver_query query;
    struct resolver_watch watch;
    unsigned calls, count;
    enum evpool_code code;
    char first[80];
};

static void keep(struct asked *asked, const struct resolver_answer *answer)
{
    asked->calls++;
    asked->code = answer->code;
    asked->count = answer->count;
    if (answer->count)
        peer_address_print(&answer->addresses[0], asked->first, sizeof(asked->first));
}

static void told(struct resolver_query *query, const struct resolver_answer *answer)
{
    keep((struct asked *)query, answer);
}

static void changed(struct resolver_watch *watch, const struct resolver_answer *answer)
{
    keep((struct asked *)((char *)watch - offsetof(struct asked, watch)), answer);
}

/* ---- dnsmasq ---- */

static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(0, bind(fd, (struct sockaddr *)&address, bytes));
    assert_int_equal(0, getsockname(fd, (struct sockaddr *)&address, &bytes));
    close(fd);
    return ntohs(address.sin_port);
}

static void write_hosts(const char *line)
{
    FILE *file = fopen(hosts, "w");
    fprintf(file, "%s\n", line);
    for (int i = 0; i < 300; i++)
        fprintf(file, "10.9.%d.%d many.test\n", i / 200, i % 200 + 1);
    fclose(file);
}

static void run_dnsmasq(const char *program)
{
    char port[24], file[64], user[64] = "--user=root";
    const struct passwd *me = getpwuid(geteuid());
    const int null = open("/dev/null", O_RDWR);
    if (me)
        snprintf(user, sizeof(user), "--user=%s", me->pw_name);
    snprintf(port, sizeof(port), "--port=%s", strchr(servers, ':') + 1);
    snprintf(file, sizeof(file), "--addn-hosts=%s", hosts);
    dup2(null, 1);
    dup2(null, 2);
    execl(program, program, "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--no-resolv", "--no-hosts",
          "--no-poll", "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/", "--local-ttl=1", port, file,
          user, (char *)NULL);
    _exit(127);
}

static int start_dnsmasq(void)
{
    const char *program = NULL;
    for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
        if (access(programs[i], X_OK) == 0)
            program = programs[i];
    if (!program)
        return 0;
    close(mkstemp(hosts));
    write_hosts("127.0.0.31 one.test");
    snprintf(servers, sizeof(servers), "127.0.0.1:%u", free_port());
    daemon_pid = fork();
    if (daemon_pid == 0)
        run_dnsmasq(program);
    return daemon_pid > 0;
}

static void stop_dnsmasq(void)
{
    kill(daemon_pid, SIGTERM);
    waitpid(daemon_pid, NULL, 0);
    unlink(hosts);
}

/* ---- asking it ---- */

static void ask(struct loop_fixture *f, struct resolver *resolver, struct asked *asked, const char *host)
{
    const unsigned before = asked->calls;
    resolver_lookup(resolver, &asked->query, host, 80, told);
    LOOP_UNTIL(f->loop, asked->calls > before);
}

/* Once it answers. */
static struct resolver *open_resolver(struct loop_fixture *f)
{
    const struct resolver_options options = {
        .timeout_ns = 2000000000, .ttl_max_s = 60, .negative_ttl_s = 1, .servers = servers, .hosts_file = ""};
    struct resolver *resolver = NULL;
    struct asked asked = {0};
    assert_int_equal(0, resolver_new(&resolver, f->loop, &options));
    for (int try = 0; try < 100 && asked.code != EVPOOL_ERROR_resolve_none; try++) {
        if (try)
            usleep(50000);
        ask(f, resolver, &asked, "ready.test");
    }
    assert_int_equal(EVPOOL_ERROR_resolve_none, asked.code);
    return resolver;
}

static void dnsmasq__answers_change__watch_is_told(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked watching = {0}, asking = {0};
    write_hosts("127.0.0.31 one.test");
    kill(daemon_pid, SIGHUP);
    usleep(200000);
    ask(f, resolver, &asking, "one.test");
    assert_int_equal(EVPOOL_OK, asking.code);
    assert_string_equal("tcp:127.0.0.31:80", asking.first);
    assert_int_equal(0, resolver_watch(resolver, &watching.watch, "one.test", 80, changed));
    write_hosts("127.0.0.32 one.test");
    kill(daemon_pid, SIGHUP);
    LOOP_UNTIL(f->loop, watching.calls);
    assert_string_equal("tcp:127.0.0.32:80", watching.first);
    resolver_unwatch(&watching.watch);
    resolver_free(resolver);
}

static void dnsmasq__more_than_a_datagram_holds__by_tcp(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    ask(f, resolver, &asked, "many.test");
    assert_int_equal(EVPOOL_OK, asked.code);
    assert_true(asked.count > 32 && asked.count <= RESOLVER_ADDRESSES_MAX);
    resolver_free(resolver);
}

/* ---- events ---- */

struct account {
    unsigned begun, ended, coalesced, addresses, none, cached;
    uint64_t parent, name, open;
};

static void take(void *arg, const struct evtrail_event *event)
{
    struct account *a = arg;
    if (event->type->kind == EVTRAIL_KIND_begin) {
        a->begun++;
        a->parent = own_events_field(event, "parent");
        a->name = own_events_field(event, "name");
        a->open += own_events_field(event, "span");
        return;
    }
    a->ended++;
    a->open -= own_events_field(event, "span");
    a->coalesced += (unsigned)own_events_field(event, "coalesced");
    a->addresses += (unsigned)own_events_field(event, "addresses");
    a->none += own_events_field(event, "code") == EVPOOL_ERROR_resolve_none;
    a->cached += own_events_field(event, "source") == RESOLVER_CACHE;
}

static struct account read_all(void)
{
    struct account a = {0};
    assert_int_equal(0, own_events_each("pool.resolve", take, &a));
    return a;
}

static void events__lookups__spans_that_say_all(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked asked[4] = {0};
    const struct account before = read_all();
    asked[0].query.parent_span = 7;
    asked[0].query.name_id = 8;
    for (int i = 0; i < 4; i++)
        resolver_lookup(resolver, &asked[i].query, "many.test", 80, told);
    LOOP_UNTIL(f->loop, asked[3].calls);
    const struct account first = read_all();
    assert_int_equal(1, first.begun - before.begun);
    assert_int_equal(1, first.ended - before.ended);
    assert_int_equal(3, first.coalesced - before.coalesced);
    assert_int_equal(asked[0].count, first.addresses - before.addresses);
    assert_int_equal(7, first.parent);
    assert_int_equal(8, first.name);
    assert_int_equal(0, first.open);
    ask(f, resolver, &asked[0], "many.test");
    ask(f, resolver, &asked[0], "absent.test");
    const struct account second = read_all();
    assert_int_equal(2, second.begun - first.begun);
    assert_int_equal(2, second.ended - first.ended);
    assert_int_equal(1, second.cached - first.cached);
    assert_int_equal(1, second.none - first.none);
    assert_int_equal(0, second.open);
    resolver_free(resolver);
}

int main(void)
{
    static const struct loop_case cases[] = {
        LOOP_CASE(dnsmasq__answers_change__watch_is_told),
        LOOP_CASE(dnsmasq__more_than_a_datagram_holds__by_tcp),
        LOOP_CASE(events__lookups__spans_that_say_all),
    };
    if (!own_events_begin("pool:trace")) {
        printf("skipped: there is no session to read (tracing is off in this environment)\n");
        return 0;
    }
    if (!start_dnsmasq()) {
        printf("skipped: dnsmasq is not installed (tools/install-packages test)\n");
        return 0;
    }
    const int failed = loop_fixture_run("dnsmasq", cases, sizeof(cases) / sizeof(*cases));
    stop_dnsmasq();
    return failed;
}
