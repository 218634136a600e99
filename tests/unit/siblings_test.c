/* SPDX-License-Identifier: ISC
 *
 * Sessions that a program's processes leave by dying: how many stay, and which.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <evtrail/evtrail.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "support/child.h"
#include "support/trail.h"

#define KEPT 64
#define FORKS 300
#define SLACK 180 /* one start of 16 looks: that so many in a row do not is as likely as 1 in 100,000 */

/* Children that end without an exit handler, one after the other; the last one's pid is told. */
static void scenario_forks(void)
{
    pid_t pid = 0;
    for (unsigned i = 0; i < FORKS; i++) {
        pid = fork();
        if (pid == 0) {
            EVTRAIL(info, "siblings.e", i);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    FILE *last = fopen(getenv("SIBLINGS_LAST"), "w");
    fprintf(last, "%d", pid);
    fclose(last);
}

static pid_t run(const char *directory, const char *evtrail)
{
    char path[400];
    int pid = 0;
    snprintf(path, sizeof(path), "%s/last", directory);
    setenv("SIBLINGS_LAST", path, 1);
    ASSERT_CHILD(child_scenario("forks", directory, evtrail));
    FILE *last = fopen(path, "r");
    assert_non_null(last);
    assert_int_equal(fscanf(last, "%d", &pid), 1);
    fclose(last);
    return pid;
}

static bool has_session_of(const char *directory, pid_t pid, char *path, size_t bytes)
{
    for (unsigned i = 0; trail_find(directory, i, path, bytes); i++)
        if (strtol(strrchr(path, '/') + 1, NULL, 10) == pid)
            return true;
    return false;
}

static void children_that_exit_at_once__the_newest_stay(void **state)
{
    (void)state;
    char path[400];
    const char *directory = child_new_directory();
    pid_t last = run(directory, "*");
    unsigned left = trail_sessions(directory);
    if (left < KEPT || left > KEPT + SLACK)
        fail_msg("%u sessions are left", left);
    assert_true(has_session_of(directory, last, path, sizeof(path)));
    struct trail *trail = trail_open(path);
    assert_non_null(trail);
    assert_int_equal(trail_count(trail, "siblings.e"), 1);
    trail_close(trail);
}

static void children_that_are_to_be_kept__all_stay(void **state)
{
    (void)state;
    const char *directory = child_new_directory();
    run(directory, "* keep=1");
    assert_int_equal(trail_sessions(directory), FORKS + 1);
}

static void session_of_another_program__stays(void **state)
{
    (void)state;
    char path[400], file[410], found[400];
    const char *directory = child_new_directory();
    static const char other[] = "/another/program";
    pid_t last = run(directory, "*");
    assert_true(has_session_of(directory, last, path, sizeof(path)));
    snprintf(file, sizeof(file), "%s%s", path, strstr(path, ".trail") ? "" : ".trail");
    assert_int_equal(chmod(file, 0600), 0);
    int fd = open(file, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, other, sizeof(other), offsetof(struct evtrail_session_header, program)), sizeof(other));
    close(fd);
    run(directory, "*");
    assert_true(has_session_of(directory, last, found, sizeof(found)));
    assert_string_equal(found, path);
}

static void directory_is_watched__all_stay(void **state)
{
    (void)state;
    if (getenv("VALGRIND")) {
        print_message("skipped: who does not touch his file for 10 s is taken for dead, and valgrind takes longer\n");
        skip();
    }
    char path[400];
    const char *directory = child_new_directory();
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    snprintf(path, sizeof(path), "%s/" EVTRAIL_WATCH_NAME, directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
    run(directory, "*");
    assert_true(trail_sessions(directory) >= FORKS);
    close(fd);
}

int main(int argc, char **argv)
{
    static const struct child_scenario scenarios[] = {{"forks", scenario_forks}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_that_exit_at_once__the_newest_stay),
        cmocka_unit_test(children_that_are_to_be_kept__all_stay),
        cmocka_unit_test(session_of_another_program__stays),
        cmocka_unit_test(directory_is_watched__all_stay),
    };
    child_main(argc, argv, scenarios, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
