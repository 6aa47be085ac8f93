/* What every floor program shares: options, files, the clock, sockets, a clean end on SIGTERM, a command loop.
 *
 * Conventions, so that Python can drive them all alike: options are "--name value"; the first line on stdout is
 * "ready"; a program that takes commands reads one line from stdin and answers with one line of JSON; end of input or
 * SIGTERM ends it with status 0, whatever it is doing.
 */
#ifndef FLOOR_H
#define FLOOR_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "zmq_min.h"

#define UNUSED_OK __attribute__((unused))

/* Deep enough that no mode of the bench ever waits on it; the gateway's own bounds are what the gateway sets. */
enum { FLOOR_HWM = 100000 };

/* A reply that takes this long is a failure to report, not a latency to record. */
enum { REPLY_TIMEOUT_MS = 10000 };

static UNUSED_OK _Noreturn void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

static UNUSED_OK _Noreturn void die_zmq(const char *what)
{
    die("%s: %s", what, zmq_strerror(zmq_errno()));
}

static UNUSED_OK uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Options and files. */

static UNUSED_OK const char *option(int argc, char **argv, const char *name, const char *fallback)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return fallback;
}

static UNUSED_OK const char *required_option(int argc, char **argv, const char *name)
{
    const char *value = option(argc, argv, name, NULL);
    if (value == NULL)
        die("expected the option %s, found none", name);
    return value;
}

/* An offset inside a frame, or -1 when the option isn't given. */
static UNUSED_OK long offset_option(int argc, char **argv, const char *name)
{
    return strtol(option(argc, argv, name, "-1"), NULL, 10);
}

enum { MAX_BLOB_BYTES = 1 << 20 };

struct blob {
    unsigned char *data;
    size_t size;
};

static UNUSED_OK struct blob read_blob(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        die("%s: %s", path, strerror(errno));
    struct blob blob = {malloc(MAX_BLOB_BYTES), 0};
    if (blob.data == NULL)
        die("out of memory");
    blob.size = fread(blob.data, 1, MAX_BLOB_BYTES, file);
    fclose(file);
    if (blob.size == 0 || blob.size == MAX_BLOB_BYTES)
        die("%s: expected 1 to %d bytes", path, MAX_BLOB_BYTES - 1);
    return blob;
}

/* Latencies go to a file as native uint64 nanoseconds; "-" drops them (warm-up). */
static UNUSED_OK void write_latencies(const char *path, const uint64_t *values, size_t count)
{
    if (strcmp(path, "-") == 0)
        return;
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(values, sizeof *values, count, file) != count || fclose(file) != 0)
        die("%s: %s", path, strerror(errno));
}

/* Big-endian, as msgpack has it. */

static UNUSED_OK void put_be64(unsigned char *p, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        p[i] = (unsigned char)value;
}

static UNUSED_OK uint64_t get_be64(const unsigned char *p)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | p[i];
    return value;
}

/* A clean end. SIGTERM is blocked in every thread and awaited by one, which shuts the context down: whatever the main
 * thread is blocked in returns ETERM. No handler, so no race between a flag and a blocking call. */

static int stop_pipe[2];
static void *stop_context;

static void *stop_thread(void *signals)
{
    int received;
    sigwait(signals, &received);
    if (write(stop_pipe[1], "x", 1) < 0)
        exit(1);
    zmq_ctx_shutdown(stop_context);
    return NULL;
}

/* Loads the library and makes the context; call before any other thread exists, so that all inherit the mask. */
static UNUSED_OK void *start(int argc, char **argv)
{
    static sigset_t signals;
    pthread_t thread;
    zmq_min_load(required_option(argc, argv, "--lib"));
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a bench that was killed leaves no process behind */
    prctl(PR_SET_TIMERSLACK, 1);      /* open loop: wake at the planned time, not within 50 us of it */
#endif
    stop_context = zmq_ctx_new();
    if (stop_context == NULL || pipe(stop_pipe) != 0)
        die("cannot start: %s", strerror(errno));
    if (pthread_create(&thread, NULL, stop_thread, &signals) != 0)
        die("cannot start the thread that awaits SIGTERM");
    pthread_detach(thread);
    return stop_context;
}

static UNUSED_OK void ready(void)
{
    puts("ready");
    fflush(stdout);
}

/* Ends the program well: `failed` is the call that returned -1, and ETERM means that we were asked to stop. */
static UNUSED_OK int finish(void *context, void *one, void *other, const char *failed)
{
    int error = zmq_errno();
    if (failed != NULL && error != ETERM)
        fprintf(stderr, "%s: %s\n", failed, zmq_strerror(error));
    zmq_close(one);
    if (other != NULL)
        zmq_close(other);
    zmq_ctx_term(context);
    return failed != NULL && error != ETERM;
}

/* Reads one command line; false at the end of input or on SIGTERM. Commands never overlap: each waits for its answer. */
static UNUSED_OK bool next_command(char *line, size_t size)
{
    size_t used = 0;
    while (used + 1 < size) {
        struct pollfd inputs[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = stop_pipe[0], .events = POLLIN}};
        if (poll(inputs, 2, -1) < 0 || inputs[1].revents != 0)
            return false;
        if (read(STDIN_FILENO, line + used, 1) != 1)
            return false;
        if (line[used] == '\n')
            break;
        used++;
    }
    line[used] = '\0';
    return true;
}

/* Sockets. */

static UNUSED_OK void set_int(void *socket, int name, int value)
{
    if (zmq_setsockopt(socket, name, &value, sizeof value) != 0)
        die_zmq("zmq_setsockopt");
}

static UNUSED_OK void *open_socket(void *context, int type, int high_water_mark)
{
    void *socket = zmq_socket(context, type);
    if (socket == NULL)
        die_zmq("zmq_socket");
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_SNDHWM, high_water_mark);
    set_int(socket, ZMQ_RCVHWM, high_water_mark);
    return socket;
}

static UNUSED_OK void *bound_socket(void *context, int type, int high_water_mark, const char *endpoint)
{
    void *socket = open_socket(context, type, high_water_mark);
    if (zmq_bind(socket, endpoint) != 0)
        die_zmq(endpoint);
    return socket;
}

static UNUSED_OK void *connected_socket(void *context, int type, int high_water_mark, const char *endpoint)
{
    void *socket = open_socket(context, type, high_water_mark);
    if (zmq_connect(socket, endpoint) != 0)
        die_zmq(endpoint);
    return socket;
}

#endif
