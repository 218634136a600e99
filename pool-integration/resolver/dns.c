/* SPDX-License-Identifier: ISC
 *
 * c-ares on the event loop. c-ares tells which of its sockets it wants to read or write (sock_state); each is polled once at a time,
 * since c-ares does not always read a socket to its end. Its timeouts are one timer.
 */
#include "dns.h"

#include <ares.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TRIES = 3,     /* of each server; the time is doubled for each round: 1 + 2 + 4 */
    TRY_PARTS = 7, /* of the whole time is the first round's */
    TRY_MIN_MS = 100,
};

struct dns_socket {
    struct evloop_op op;
    struct dns *dns; /* NULL: c-ares has closed it */
    struct dns_socket *next;
    int fd;
    uint32_t events;
    bool processing;
};

struct dns {
    struct evloop *loop;
    ares_channel channel;
    struct evloop_timer timer;
    struct dns_socket *sockets;
    char **domains; /* the system's, for names with less than ndots dots first */
    int domains_count, ndots;
    const char *path;     /* of the system's settings; NULL: not used */
    struct timespec read; /* when they were changed before they were read */
    unsigned outstanding; /* questions */
    char servers[80];
};

struct dns_question {
    struct dns *dns;
    dns_answered *answered; /* NULL: forgotten */
    void *arg;
    int family;
};

/* ---- sockets and time ---- */

static void process(struct dns *dns, int readable, int writable);
static void socket_ready(struct evloop_op *op, int result);

static void timed_out(struct evloop_timer *timer)
{
    struct dns *dns = (struct dns *)((char *)timer - offsetof(struct dns, timer));
    process(dns, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void set_timer(struct dns *dns)
{
    struct timeval left;
    if (!ares_timeout(dns->channel, NULL, &left)) {
        evloop_timer_stop(dns->loop, &dns->timer);
        return;
    }
    const uint64_t wait_ns = (uint64_t)left.tv_sec * 1000000000 + (uint64_t)left.tv_usec * 1000;
    /* Without memory for it the lookups' own deadlines are left. */
    evloop_timer_start(dns->loop, &dns->timer, evloop_update_now(dns->loop) + wait_ns, timed_out);
}

static void process(struct dns *dns, int readable, int writable)
{
    ares_process_fd(dns->channel, readable, writable);
    set_timer(dns);
}

static void poll_socket(struct dns_socket *s)
{
    if (evloop_busy(&s->op))
        evloop_cancel(s->dns->loop, &s->op); /* its callback polls anew */
    else
        evloop_poll(s->dns->loop, &s->op, s->fd, s->events, socket_ready);
}

static void socket_ready(struct evloop_op *op, int result)
{
    struct dns_socket *s = (struct dns_socket *)op;
    if (s->dns && result != -ECANCELED) {
        const uint32_t events = result < 0 ? s->events : (uint32_t)result;
        const bool bad = events & ~(uint32_t)(EPOLLIN | EPOLLOUT);
        s->processing = true;
        process(s->dns, bad || (events & EPOLLIN) ? s->fd : ARES_SOCKET_BAD,
                bad || (events & EPOLLOUT) ? s->fd : ARES_SOCKET_BAD);
        s->processing = false;
    }
    if (!s->dns && !evloop_busy(op))
        free(s);
    else if (s->dns && !evloop_busy(op))
        poll_socket(s);
}

static void drop_socket(struct dns *dns, struct dns_socket **link)
{
    struct dns_socket *s = *link;
    *link = s->next;
    s->dns = NULL;
    if (evloop_busy(&s->op))
        evloop_cancel(dns->loop, &s->op);
    else if (!s->processing)
        free(s);
}

/* c-ares: what it wants of a socket; nothing: it is about to be closed. */
static void sock_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns *dns = arg;
    struct dns_socket **link = &dns->sockets;
    while (*link && (*link)->fd != fd)
        link = &(*link)->next;
    if (!readable && !writable) {
        if (*link)
            drop_socket(dns, link);
        return;
    }
    struct dns_socket *s = *link;
    if (!s) {
        s = calloc(1, sizeof(*s));
        if (!s)
            return; /* its question times out */
        s->dns = dns;
        s->fd = fd;
        s->next = dns->sockets;
        dns->sockets = s;
    }
    const uint32_t events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0);
    if (events == s->events && evloop_busy(&s->op))
        return;
    s->events = events;
    if (!s->processing)
        poll_socket(s);
}

/* ---- questions ---- */

static const struct {
    int status;
    struct dns_result result;
} faults[] = {
    {ARES_ENOTFOUND, {.code = EVPOOL_ERROR_resolve_none, .no_name = true, .text = "no such name"}},
    {ARES_EBADNAME, {.code = EVPOOL_ERROR_resolve_none, .no_name = true, .text = "not a valid name"}},
    {ARES_ENODATA, {.code = EVPOOL_ERROR_resolve_none, .text = "the name has no address"}},
    {ARES_ETIMEOUT, {.code = EVPOOL_ERROR_resolve_timeout, .text = "no answer"}},
    {ARES_ENOMEM, {.code = EVPOOL_ERROR_memory, .text = "no memory"}},
    {ARES_ESERVFAIL, {.code = EVPOOL_ERROR_resolve_failed, .text = "server failure"}},
    {ARES_EREFUSED, {.code = EVPOOL_ERROR_resolve_failed, .text = "the server refuses"}},
    {ARES_ECONNREFUSED,
     {.code = EVPOOL_ERROR_resolve_failed, .text = "no server can be reached, or each fails or refuses"}},
};

static struct dns_result fault(int status)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
        if (faults[i].status == status)
            return faults[i].result;
    return (struct dns_result){.code = EVPOOL_ERROR_resolve_failed, .text = "a bad answer"};
}

static struct dns_result collect(const struct ares_addrinfo *info, int family, struct address_list *list)
{
    struct dns_result result = {.ttl_s = UINT32_MAX};
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        if (node->ai_family != family)
            continue;
        const struct host_address one = address_of(node->ai_addr);
        if (address_list_add(list, &one) < 0)
            return fault(ARES_ENOMEM);
        if (node->ai_ttl >= 0 && (uint32_t)node->ai_ttl < result.ttl_s)
            result.ttl_s = (uint32_t)node->ai_ttl;
    }
    for (const struct ares_addrinfo_cname *name = info->cnames; name; name = name->next)
        if (name->ttl >= 0 && (uint32_t)name->ttl < result.ttl_s)
            result.ttl_s = (uint32_t)name->ttl;
    if (!list->count)
        return fault(ARES_ENODATA);
    result.addresses = list->items;
    result.count = list->count;
    return result;
}

static void answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct dns_question *question = arg;
    (void)timeouts;
    question->dns->outstanding--;
    if (question->answered) {
        struct address_list list = {0};
        const struct dns_result result =
            status == ARES_SUCCESS && info ? collect(info, question->family, &list) : fault(status);
        question->answered(question->arg, question->family, &result);
        address_list_free(&list);
    }
    free(question);
    if (info)
        ares_freeaddrinfo(info);
}

int dns_ask(struct dns *dns, const char *name, int family, dns_answered *answered, void *arg,
            struct dns_question **ret_question)
{
    struct dns_question *question = calloc(1, sizeof(*question));
    if (!question)
        return -ENOMEM;
    *question = (struct dns_question){dns, answered, arg, family};
    *ret_question = question;
    dns->outstanding++;
    const struct ares_addrinfo_hints hints = {
        .ai_flags = ARES_AI_NOSORT, .ai_family = family, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(dns->channel, name, NULL, &hints, answer, question);
    set_timer(dns);
    return 0;
}

void dns_forget(struct dns_question *question)
{
    if (question)
        question->answered = NULL;
}

/* ---- names ---- */

int dns_candidate(const struct dns *dns, const char *host, unsigned index, char *name, size_t bytes)
{
    int dots = 0;
    const size_t length = strlen(host);
    for (size_t i = 0; i < length; i++)
        dots += host[i] == '.';
    const unsigned domains = length && host[length - 1] == '.' ? 0 : (unsigned)dns->domains_count;
    const unsigned as_it_is = dots >= dns->ndots || !domains ? 0 : domains; /* where in the row */
    if (index > domains)
        return -ENOENT;
    if (index == as_it_is)
        return snprintf(name, bytes, "%s", host) < (int)bytes ? 0 : -ENOENT;
    const char *domain = dns->domains[as_it_is == 0 ? index - 1 : index];
    return snprintf(name, bytes, "%s.%s", host, domain) < (int)bytes ? 0 : -ENOENT;
}

/* ---- making and ending ---- */

static void describe_servers(struct dns *dns, const struct ares_addr_port_node *first, int count)
{
    char address[64] = "";
    if (count != 1) {
        snprintf(dns->servers, sizeof(dns->servers), "%d DNS servers", count);
        return;
    }
    ares_inet_ntop(first->family, &first->addr, address, sizeof(address));
    const int port = first->udp_port ? first->udp_port : 53;
    snprintf(dns->servers, sizeof(dns->servers), first->family == AF_INET6 ? "DNS server [%s]:%d" : "DNS server %s:%d",
             address, port);
}

static int count_servers(struct dns *dns)
{
    struct ares_addr_port_node *servers = NULL;
    int count = 0;
    if (ares_get_servers_ports(dns->channel, &servers) != ARES_SUCCESS)
        return 0;
    for (const struct ares_addr_port_node *one = servers; one; one = one->next)
        count++;
    describe_servers(dns, servers, count);
    ares_free_data(servers);
    return count;
}

static struct timespec changed_at(const char *path)
{
    struct stat now = {0};
    return stat(path, &now) == 0 ? now.st_mtim : (struct timespec){0};
}

bool dns_outdated(const struct dns *dns)
{
    if (!dns->path || dns->outstanding)
        return false;
    const struct timespec now = changed_at(dns->path);
    return now.tv_sec != dns->read.tv_sec || now.tv_nsec != dns->read.tv_nsec;
}

static int open_channel(struct dns *dns, const char *servers, int try_ms, int flags)
{
    struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | flags,
                                   .timeout = try_ms,
                                   .tries = TRIES,
                                   .lookups = "b",
                                   .sock_state_cb = sock_state,
                                   .sock_state_cb_data = dns,
                                   .resolvconf_path = (char *)(uintptr_t)dns->path}; /* only read */
    const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB |
                     (dns->path ? ARES_OPT_RESOLVCONF : 0);
    int status = ares_init_options(&dns->channel, &options, mask);
    if (status != ARES_SUCCESS) {
        dns->channel = NULL;
        return -ENOMEM;
    }
    if (servers)
        status = ares_set_servers_ports_csv(dns->channel, servers);
    return status == ARES_SUCCESS ? 0 : status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
}

/* With the servers that there are: their number decides how long each may take. What a single one answers is the answer; of several the next is
 * asked if one fails or refuses, and if all do c-ares says that none was reached. */
static int open_in_time(struct dns *dns, const char *servers, uint64_t timeout_ns)
{
    const uint64_t whole_ms = timeout_ns / 1000000 < INT32_MAX ? timeout_ns / 1000000 : INT32_MAX;
    int error = open_channel(dns, servers, (int)(whole_ms / TRY_PARTS) + TRY_MIN_MS, ARES_FLAG_NOCHECKRESP);
    const int count = error == 0 ? count_servers(dns) : 1;
    if (error < 0 || count <= 1)
        return error;
    ares_destroy(dns->channel);
    return open_channel(dns, servers, (int)(whole_ms / TRY_PARTS) / count + TRY_MIN_MS, 0);
}

static int copy_domains(struct dns *dns)
{
    struct ares_options options = {0};
    int mask = 0;
    if (ares_save_options(dns->channel, &options, &mask) != ARES_SUCCESS)
        return -ENOMEM;
    dns->ndots = options.ndots > 0 ? options.ndots : 1;
    dns->domains = calloc((size_t)options.ndomains + 1, sizeof(*dns->domains));
    int error = dns->domains ? 0 : -ENOMEM;
    for (int i = 0; error == 0 && i < options.ndomains; i++) {
        dns->domains[i] = strdup(options.domains[i]);
        if (dns->domains[i])
            dns->domains_count++;
        else
            error = -ENOMEM;
    }
    ares_destroy_options(&options);
    return error;
}

static void init_library(void)
{
    ares_library_init(ARES_LIB_INIT_ALL);
}

int dns_new(struct dns **ret_dns, struct evloop *loop, const struct resolver_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_library);
    struct dns *dns = calloc(1, sizeof(*dns));
    if (!dns)
        return -ENOMEM;
    dns->loop = loop;
    if (!options->servers) {
        dns->path = options->resolv_conf ? options->resolv_conf : "/etc/resolv.conf";
        dns->read = changed_at(dns->path);
    }
    int error = open_in_time(dns, options->servers, options->timeout_ns);
    if (error == 0 && dns->path) /* with servers of the caller's own the system's domains mean nothing */
        error = copy_domains(dns);
    if (error < 0) {
        dns_free(dns);
        return error;
    }
    *ret_dns = dns;
    return 0;
}

void dns_free(struct dns *dns)
{
    if (!dns)
        return;
    if (dns->channel)
        ares_destroy(dns->channel); /* answers every question, and closes the sockets */
    while (dns->sockets)
        drop_socket(dns, &dns->sockets);
    evloop_timer_stop(dns->loop, &dns->timer);
    for (int i = 0; i < dns->domains_count; i++)
        free(dns->domains[i]);
    free(dns->domains);
    free(dns);
}

void dns_abandon(struct dns *dns)
{
    for (const struct dns_socket *s = dns->sockets; s; s = s->next)
        close(s->fd);
}

const char *dns_servers(const struct dns *dns)
{
    return dns->servers;
}
