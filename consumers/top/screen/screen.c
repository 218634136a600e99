/* SPDX-License-Identifier: ISC
 *
 * The terminal by ncursesw. ncurses finds out what differs; rows that stay the same are not even given to it.
 */
#include "screen.h"
#include "keys.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#define ESCAPE_MS 25 /* what follows an Esc of a function key comes within it, also over ssh: it is one packet */
#define TWICE_NS INT64_C(400000000)
#define COPY_MAX 65536u

struct screen {
    SCREEN *curses;
    FILE *input, *output;
    struct surface shown; /* what the terminal has */
    int rows, columns;
    attr_t attributes[STYLES_COUNT];
    short pairs[STYLES_COUNT];
    bool all_anew, mouse;
    int cursor_row, cursor_column;
    int64_t clicked_ns;
    int clicked_row, clicked_column;
};

/* For screen_abandon(): what the terminal was like. */
static struct termios before;
static int abandon_fd = -1;

bool screen_locale(void)
{
    static const char *const old[] = {"vt52",  "vt100", "vt102",
                                      "vt220", "vt320", "ansi"}; /* whatever the locale says */
    const char *const term = getenv("TERM");
    bool plain = false;
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        plain = plain || (term && strcmp(term, old[i]) == 0);
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
        return !plain;
    setlocale(LC_CTYPE, "C.UTF-8"); /* to measure; only ASCII is shown */
    return false;
}

/* ---- styles ---- */

struct look {
    short color, background;
    attr_t attributes; /* with colours */
    attr_t mono;
};
static const struct look looks[STYLES_COUNT] = {
    [STYLE_plain] = {-1, -1, A_NORMAL, A_NORMAL},
    [STYLE_dim] = {-1, -1, A_DIM, A_DIM},
    [STYLE_title] = {-1, -1, A_BOLD, A_BOLD},
    [STYLE_heading] = {COLOR_CYAN, -1, A_BOLD | A_UNDERLINE, A_BOLD | A_UNDERLINE},
    [STYLE_selected] = {-1, -1, A_REVERSE, A_REVERSE},
    [STYLE_key] = {COLOR_CYAN, -1, A_NORMAL, A_BOLD},
    [STYLE_good] = {COLOR_GREEN, -1, A_NORMAL, A_NORMAL},
    [STYLE_notice] = {COLOR_YELLOW, -1, A_NORMAL, A_BOLD},
    [STYLE_bad] = {COLOR_RED, -1, A_BOLD, A_BOLD | A_UNDERLINE},
    [STYLE_number] = {-1, -1, A_BOLD, A_BOLD},
    [STYLE_bar] = {COLOR_GREEN, -1, A_NORMAL, A_NORMAL},
    [STYLE_mark] = {COLOR_MAGENTA, -1, A_BOLD, A_REVERSE},
};
/* With 256 colours: ones that are read well on black and on white. */
static const short rich[STYLES_COUNT] = {
    [STYLE_heading] = 37, [STYLE_key] = 37, [STYLE_good] = 35,  [STYLE_notice] = 172,
    [STYLE_bad] = 160,    [STYLE_bar] = 35, [STYLE_mark] = 133,
};

static void styles_set(struct screen *screen, const struct screen_options *options)
{
    const bool wanted = !options->mono && has_colors();
    int colors = wanted && start_color() == OK && use_default_colors() == OK ? COLORS : 0;
    if (options->colors > 0 && colors > options->colors)
        colors = options->colors;
    for (short i = 0; i < STYLES_COUNT; i++) {
        const struct look *const look = &looks[i];
        const bool colored = colors >= 8 && look->color >= 0;
        screen->attributes[i] = colors >= 8 ? look->attributes : look->mono;
        screen->pairs[i] = 0;
        if (!colored)
            continue;
        init_pair((short)(i + 1), colors >= 256 ? rich[i] : look->color, look->background);
        screen->pairs[i] = (short)(i + 1);
    }
}

/* ---- beginning and ending ---- */

static int complain(char **ret_error, const char *what)
{
    if (ret_error)
        *ret_error = strdup(what);
    return -ENOTTY;
}

/* Keys come from standard input, or if it is something else, from the terminal that we belong to. */
static FILE *input_open(void)
{
    if (isatty(STDIN_FILENO))
        return fdopen(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), "r");
    const int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? NULL : fdopen(fd, "r");
}

static void modes_set(struct screen *screen, const struct screen_options *options)
{
    if (!getenv("ESCDELAY"))
        set_escdelay(ESCAPE_MS);
    raw(); /* ^C, ^Z and ^S are keys: nothing but a key's action stops us in the middle of drawing */
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    intrflush(stdscr, FALSE);
    leaveok(stdscr, TRUE);
    curs_set(0);
    if (options->mouse)
        screen_mouse(screen, true);
}

static int open_terminal(struct screen *screen, char **ret_error)
{
    const char *const term = getenv("TERM");
    const int fd = isatty(STDOUT_FILENO) ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) : -1;
    screen->output = fd < 0 ? NULL : fdopen(fd, "w");
    if (!screen->output)
        return complain(ret_error, "standard output is no terminal");
    screen->input = input_open();
    if (!screen->input)
        return complain(ret_error, "there is no terminal to take keys from");
    if (!term || !*term || strcmp(term, "dumb") == 0)
        return complain(ret_error, "TERM names no terminal that can move its cursor");
    tcgetattr(fileno(screen->output), &before);
    screen->curses = newterm(term, screen->output, screen->input);
    if (!screen->curses)
        return complain(ret_error, "the terminal that TERM names is not known here");
    if (!tigetstr("cup") || !tigetstr("clear")) {
        endwin();
        return complain(ret_error, "the terminal that TERM names cannot move its cursor");
    }
    return 0;
}

int screen_new(struct screen **ret_screen, const struct screen_options *options, char **ret_error)
{
    struct screen *const screen = calloc(1, sizeof *screen);
    if (!screen)
        return -ENOMEM;
    screen->cursor_row = -1;
    const int r = open_terminal(screen, ret_error);
    if (r < 0) {
        screen_free(screen);
        return r;
    }
    set_term(screen->curses);
    abandon_fd = fileno(screen->output);
    modes_set(screen, options);
    styles_set(screen, options);
    *ret_screen = screen;
    return 0;
}

void screen_free(struct screen *screen)
{
    if (!screen)
        return;
    if (screen->curses) {
        abandon_fd = -1;
        if (screen->mouse)
            screen_mouse(screen, false);
        endwin();
        delscreen(screen->curses);
    }
    if (screen->input)
        fclose(screen->input);
    if (screen->output)
        fclose(screen->output);
    surface_fini(&screen->shown);
    free(screen);
}

void screen_abandon(void)
{
    static const char text[] = "\033[?1000l\033[?1002l\033[?1006l\033[?1049l\033[?25h\033[0m\r\n";
    if (abandon_fd < 0)
        return;
    const int flags = fcntl(abandon_fd, F_GETFL);
    fcntl(abandon_fd, F_SETFL, flags | O_NONBLOCK); /* a terminal that takes nothing must not keep us */
    (void)!write(abandon_fd, text, sizeof text - 1);
    fcntl(abandon_fd, F_SETFL, flags);
    tcsetattr(abandon_fd, TCSANOW, &before);
}

/* ---- showing ---- */

static void put_cell(const struct screen *screen, int row, int column, const struct cell *cell)
{
    wchar_t wide[CCHARW_MAX + 1] = {0};
    cchar_t complex;
    mbstate_t state = {0};
    const char *text = cell->text;
    if (mbsnrtowcs(wide, &text, CELL_BYTES, CCHARW_MAX, &state) == (size_t)-1 || !wide[0])
        wcscpy(wide, L"?");
    const unsigned style = cell->style < STYLES_COUNT ? cell->style : STYLE_plain;
    setcchar(&complex, wide, screen->attributes[style], screen->pairs[style], NULL);
    mvadd_wchnstr(row, column, &complex, 1);
}

static void put_row(struct screen *screen, const struct surface *surface, int row)
{
    const size_t at = (size_t)row * (size_t)surface->columns, bytes = (size_t)surface->columns * sizeof(struct cell);
    if (!screen->all_anew && memcmp(&screen->shown.cells[at], &surface->cells[at], bytes) == 0)
        return;
    memcpy(&screen->shown.cells[at], &surface->cells[at], bytes);
    for (int column = 0; column < surface->columns; column++)
        if (surface->cells[at + (size_t)column].width > 0)
            put_cell(screen, row, column, &surface->cells[at + (size_t)column]);
}

void screen_show(struct screen *screen, const struct surface *surface)
{
    if (surface->rows != screen->shown.rows || surface->columns != screen->shown.columns) {
        if (surface_resize(&screen->shown, surface->rows, surface->columns) < 0)
            return;
        screen->all_anew = true;
    }
    for (int row = 0; row < surface->rows; row++)
        put_row(screen, surface, row);
    if (screen->all_anew)
        clearok(curscr, TRUE);
    screen->all_anew = false;
    leaveok(stdscr, screen->cursor_row < 0);
    curs_set(screen->cursor_row >= 0);
    if (screen->cursor_row >= 0)
        move(screen->cursor_row, screen->cursor_column);
    wnoutrefresh(stdscr);
    doupdate();
}

void screen_cursor(struct screen *screen, int row, int column)
{
    screen->cursor_row = row;
    screen->cursor_column = column;
}

void screen_redraw(struct screen *screen)
{
    screen->all_anew = true;
}

bool screen_size(struct screen *screen, int *ret_rows, int *ret_columns)
{
    struct winsize size = {0};
    int rows = LINES, columns = COLS;
    if (ioctl(fileno(screen->output), TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
        rows = size.ws_row;
        columns = size.ws_col;
    }
    const bool other = rows != screen->rows || columns != screen->columns;
    if (other) {
        resizeterm(rows, columns);
        screen->all_anew = true;
    }
    *ret_rows = screen->rows = rows;
    *ret_columns = screen->columns = columns;
    return other;
}

/* ---- keys ---- */

static uint32_t function_key(wint_t key)
{
    static const struct {
        int curses;
        uint32_t key;
    } table[] = {
        {KEY_UP, KEYCODE_up},       {KEY_DOWN, KEYCODE_down},    {KEY_LEFT, KEYCODE_left},
        {KEY_RIGHT, KEYCODE_right}, {KEY_PPAGE, KEYCODE_pgup},   {KEY_NPAGE, KEYCODE_pgdn},
        {KEY_HOME, KEYCODE_home},   {KEY_END, KEYCODE_end},      {KEY_BACKSPACE, KEYCODE_backspace},
        {KEY_DC, KEYCODE_delete},   {KEY_BTAB, KEYCODE_backtab}, {KEY_ENTER, KEYCODE_enter},
        {KEY_FIND, KEYCODE_home},   {KEY_SELECT, KEYCODE_end},   {KEY_RESIZE, KEYCODE_resize},
        {KEY_MOUSE, KEYCODE_mouse},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if ((wint_t)table[i].curses == key)
            return table[i].key;
    return key >= KEY_F(1) && key <= KEY_F(12) ? KEYCODE_f1 + (key - KEY_F(1)) : 0;
}

static uint32_t plain_key(wint_t key)
{
    switch (key) {
    case '\r':
    case '\n':
        return KEYCODE_enter;
    case 27:
        return KEYCODE_escape;
    case 127:
    case '\b':
        return KEYCODE_backspace;
    default:
        return (uint32_t)key;
    }
}

static bool mouse_take(struct screen *screen, struct mouse *ret_mouse)
{
    MEVENT event;
    struct timespec now;
    if (getmouse(&event) == ERR)
        return false;
    *ret_mouse = (struct mouse){.row = event.y, .column = event.x};
    if (event.bstate & BUTTON4_PRESSED)
        ret_mouse->wheel = -1;
    else if (event.bstate & BUTTON5_PRESSED)
        ret_mouse->wheel = 1;
    else if (!(event.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED)))
        return false;
    if (ret_mouse->wheel)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    ret_mouse->twice =
        now_ns - screen->clicked_ns < TWICE_NS && screen->clicked_row == event.y && screen->clicked_column == event.x;
    screen->clicked_ns = ret_mouse->twice ? 0 : now_ns;
    screen->clicked_row = event.y;
    screen->clicked_column = event.x;
    return true;
}

/* ncurses takes an end of input for no key: what poll() says of the descriptor tells them apart. */
static bool is_gone(const struct screen *screen)
{
    struct pollfd fd = {.fd = fileno(screen->input), .events = POLLIN};
    int waiting = 0;
    if (poll(&fd, 1, 0) <= 0)
        return false;
    if (fd.revents & (POLLHUP | POLLERR | POLLNVAL))
        return true;
    return (fd.revents & POLLIN) && ioctl(fd.fd, FIONREAD, &waiting) < 0 && errno == EIO;
}

/* Behind an Esc: the rest of a sequence that this terminal's description does not know is passed over, so that no part of it acts as a key.
 * False: there is none, it was Esc. */
static bool skip_sequence(void)
{
    wint_t key;
    if (get_wch(&key) != OK)
        return false;
    if (key != '[' && key != 'O') { /* the next key, typed at once */
        unget_wch((wchar_t)key);
        return false;
    }
    wint_t next = 0;
    for (unsigned i = 0; i < 32 && get_wch(&next) == OK; i++)
        if (next >= 0x40 && next <= 0x7e)
            return true;
    if (next != 0)
        return true;
    unget_wch((wchar_t)key);
    return false;
}

int screen_key(struct screen *screen, uint32_t *ret_key, struct mouse *ret_mouse)
{
    for (;;) {
        wint_t key;
        const int kind = get_wch(&key);
        if (kind == ERR)
            return is_gone(screen) ? -EIO : 0;
        if (kind == OK && key == 27 && skip_sequence())
            continue;
        *ret_key = kind == KEY_CODE_YES ? function_key(key) : plain_key(key);
        if (*ret_key == KEYCODE_mouse && !mouse_take(screen, ret_mouse))
            continue;
        if (*ret_key != 0)
            return 1;
    }
}

int screen_fd(const struct screen *screen)
{
    return fileno(screen->input);
}

void screen_mouse(struct screen *screen, bool on)
{
    screen->mouse = on;
    mouseinterval(0); /* no waiting for a second click */
    mousemask(on ? BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON4_PRESSED | BUTTON5_PRESSED : 0, NULL);
}

/* ---- the shell, the clipboard ---- */

void screen_suspend(struct screen *screen)
{
    const struct sigaction stop = {.sa_handler = SIG_DFL};
    struct sigaction old;
    def_prog_mode();
    endwin();
    sigaction(SIGTSTP, &stop, &old);
    kill(0, SIGTSTP); /* the whole job, as the terminal does */
    sigaction(SIGTSTP, &old, NULL);
    reset_prog_mode();
    screen->all_anew = true;
}

static void base64(const unsigned char *bytes, size_t count, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        const uint32_t group = (uint32_t)bytes[i] << 16 | (i + 1 < count ? (uint32_t)bytes[i + 1] << 8 : 0) |
                               (i + 2 < count ? bytes[i + 2] : 0);
        *text++ = digits[group >> 18];
        *text++ = digits[group >> 12 & 63];
        *text++ = i + 1 < count ? digits[group >> 6 & 63] : '=';
        *text++ = i + 2 < count ? digits[group & 63] : '=';
    }
    *text = '\0';
}

int screen_copy(struct screen *screen, const char *text, size_t bytes)
{
    if (bytes > COPY_MAX)
        return -E2BIG;
    char *const encoded = malloc(bytes / 3 * 4 + 8);
    if (!encoded)
        return -ENOMEM;
    base64((const unsigned char *)text, bytes, encoded);
    fprintf(screen->output, "\033]52;c;%s\a", encoded);
    fflush(screen->output);
    free(encoded);
    return 0;
}
