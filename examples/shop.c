/* SPDX-License-Identifier: ISC
 *
 * A coffee shop as an instrumented program: baristas are threads, orders are spans with parts, machines are entities with
 * states, the stock is a counter, some cards are declined. Usage: shop [ORDERS [BARISTAS [PAUSE_US]]]
 *
 * Try it: evtrail record -o shop.evt -- shop && evtrail stat shop.evt
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <evtrail/evtrail.h>

enum { MACHINES = 2, BARISTAS_MAX = 64, BAG_GRAMS = 1000, CUP_GRAMS = 9 };

struct machine {
    uint64_t id;
    pthread_mutex_t lock;
};

static struct machine machines[MACHINES] = {{.id = 1, .lock = PTHREAD_MUTEX_INITIALIZER},
                                            {.id = 2, .lock = PTHREAD_MUTEX_INITIALIZER}};
static atomic_long orders_left;
static atomic_int beans_grams = BAG_GRAMS;
static unsigned pause_us = 200;

static const char *const drinks[] = {"espresso", "cappuccino", "flat white", "filter"};

/* Beans go down by the cup and up by the bag. */
static void use_beans(void)
{
    int left = atomic_fetch_sub(&beans_grams, CUP_GRAMS) - CUP_GRAMS;
    if (left < CUP_GRAMS) {
        EVTRAIL(warning, "shop.stock.low", EVTRAIL_UNIT(left, "g"));
        left = atomic_fetch_add(&beans_grams, BAG_GRAMS) + BAG_GRAMS;
    }
    EVTRAIL_COUNTER(debug, "shop.stock.beans", EVTRAIL_UNIT(left, "g"));
}

/* A span inside the order's span, and the machine's state while it lasts. */
static void brew(uint64_t order, const char *drink, unsigned *seed)
{
    const uint64_t span = evtrail_span_id();
    struct machine *machine = &machines[rand_r(seed) % MACHINES];
    EVTRAIL_BEGIN(debug, "shop.brew", span, order, drink, EVTRAIL_AS(machine, machine->id));
    pthread_mutex_lock(&machine->lock);
    EVTRAIL_STATE(info, "shop.machine", machine->id, EVTRAIL_AS(parent, 0), EVTRAIL_AS(state, "brewing"));
    use_beans();
    usleep(pause_us + (unsigned)rand_r(seed) % (pause_us + 1));
    EVTRAIL_STATE(info, "shop.machine", machine->id, EVTRAIL_AS(parent, 0), EVTRAIL_AS(state, "idle"));
    pthread_mutex_unlock(&machine->lock);
    EVTRAIL_END(debug, "shop.brew", span);
}

static int pay(uint64_t order, int cents, unsigned *seed)
{
    const int declined = rand_r(seed) % 50 == 0;
    if (declined)
        EVTRAIL(error, "shop.pay.declined", order, cents, EVTRAIL_AS(reason, "insufficient funds"));
    else
        EVTRAIL(info, "shop.pay.done", order, cents);
    return declined ? -1 : 0;
}

static void serve(long number, unsigned *seed)
{
    char ticket[24];
    snprintf(ticket, sizeof(ticket), "T-%05ld", number);
    evtrail_label("ticket", ticket); /* on every event of this thread until it changes */
    const uint64_t order = evtrail_span_id();
    const char *drink = drinks[(unsigned)rand_r(seed) % (sizeof(drinks) / sizeof(drinks[0]))];
    EVTRAIL_BEGIN(info, "shop.order", order, EVTRAIL_AS(parent, 0), drink, number);
    brew(order, drink, seed);
    const int paid = pay(order, 250 + rand_r(seed) % 200, seed) == 0;
    EVTRAIL_END(info, "shop.order", order, paid);
    evtrail_label("ticket", NULL);
}

static void *barista(void *argument)
{
    unsigned seed = 1 + (unsigned)(uintptr_t)argument;
    char name[16];
    snprintf(name, sizeof(name), "barista-%u", seed);
    pthread_setname_np(pthread_self(), name);
    for (long number; (number = atomic_fetch_sub(&orders_left, 1)) > 0;)
        serve(number, &seed);
    return NULL;
}

int main(int argc, char **argv)
{
    const long orders = argc > 1 ? atol(argv[1]) : 4000;
    int baristas = argc > 2 ? atoi(argv[2]) : 3;
    if (argc > 3)
        pause_us = (unsigned)atoi(argv[3]);
    if (orders < 1 || baristas < 1 || baristas > BARISTAS_MAX) {
        fprintf(stderr, "usage: shop [ORDERS [BARISTAS 1-%d [PAUSE_US]]]\n", BARISTAS_MAX);
        return 2;
    }
    atomic_store(&orders_left, orders);
    EVTRAIL(info, "shop.open", orders, baristas);
    for (int i = 0; i < MACHINES; i++) {
        EVTRAIL_NAME(info, "shop.machine", machines[i].id, EVTRAIL_AS(name, i == 0 ? "La Marzocco" : "Faema"));
        EVTRAIL_STATE(info, "shop.machine", machines[i].id, EVTRAIL_AS(parent, 0), EVTRAIL_AS(state, "idle"));
    }
    pthread_t threads[BARISTAS_MAX];
    for (int i = 0; i < baristas; i++) {
        if (pthread_create(&threads[i], NULL, barista, (void *)(uintptr_t)i) != 0) {
            perror("pthread_create");
            return 1;
        }
    }
    for (int i = 0; i < baristas; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < MACHINES; i++)
        EVTRAIL_GONE(info, "shop.machine", machines[i].id);
    EVTRAIL(info, "shop.close", orders);
    printf("served %ld orders\n", orders);
    return 0;
}
