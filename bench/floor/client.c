/* The load client: sends one request frame again and again, each time with its own request id, and times the replies.
 *
 *   client --lib L --endpoint E --request FILE --request-id-offset K [--reply-id-offset R] [--echo 1]
 *          [--hello FILE --session-offset S] [--ulid-offset U] [--status N] [--stamps-offset T]
 *
 * The frame is made by the project's own codec; only fixed-width fields are overwritten here: the request id (8 bytes
 * after a 0xcf), the session token that the reply to --hello carries, and the tail of the client order id, a ULID, so
 * that each order is a new one. Every reply must carry the id of an outstanding request, and status 0, or N.
 * --echo: the reply is the request itself, so the id stands where the request has it, and no status is read.
 * --stamps-offset: where a reply's array of stamps stands; the difference of the first two, received and sent, is how
 * long the request stayed in the broker, and goes to PATH with "-residence" behind it.
 *
 * Commands on stdin; PATH receives one uint64 of nanoseconds per request, in order of sending; "-" is nowhere:
 *   closed N PATH        one in flight; from just before the send to just after the receive
 *   pipelined N W PATH   W in flight; likewise, and the rate is N over the time from first send to last receive
 *   open N RATE PATH     sent at planned times, whatever comes back; from the PLANNED send to the receive, so that a
 *                        stall is charged to every request it delayed (no coordinated omission)
 */
#include <sys/select.h>

#include "floor.h"

/* Above 2^32, so that the shortest msgpack form of every id is 0xcf and 8 bytes, in replies too. */
static const uint64_t FIRST_ID = (uint64_t)1 << 62;
static const unsigned char SESSION_KEY[] = {0xa7, 's', 'e', 's', 's', 'i', 'o', 'n', 0xcf};

/* A request whose reply has arrived: so that a second one is seen. */
static const uint64_t ANSWERED = UINT64_MAX;

enum { DRAIN_BURST = 64, UNSOLICITED = -1 };

static void *socket_;
static struct blob request;
static long request_id_offset, reply_id_offset, ulid_offset, stamps_offset;
static unsigned char expected_status;
static bool is_echo;
static uint64_t sent_total;       /* requests ever sent: ids are FIRST_ID + n */
static uint64_t bad, unsolicited; /* of this command */
static uint64_t last_residence_ns; /* of the last reply */
static uint64_t *residence_ns;     /* of this command's replies, by request; NULL: nobody asks */
static unsigned char first_bad[1024];
static size_t first_bad_size;

static void put_base32(unsigned char *end, int count, uint64_t value)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    for (int i = 1; i <= count; i++, value >>= 5)
        end[-i] = (unsigned char)digits[value & 31];
}

/* An id of its own for each order: the first 10 digits are the time in milliseconds, the last 8 count, the 8 between them
 * stay the template's. */
static void put_ulid(unsigned char *ulid, uint64_t value)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    put_base32(ulid + 10, 10, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
    put_base32(ulid + 26, 8, value);
}

static int send_next(int flags)
{
    put_be64(request.data + request_id_offset, FIRST_ID + sent_total);
    if (ulid_offset >= 0)
        put_ulid(request.data + ulid_offset, sent_total);
    if (zmq_send(socket_, request.data, request.size, flags) < 0)
        return -1;
    sent_total++;
    return 0;
}

static void note_bad(const unsigned char *frame, size_t size)
{
    if (bad++ > 0)
        return;
    first_bad_size = size < sizeof first_bad ? size : sizeof first_bad;
    memcpy(first_bad, frame, first_bad_size);
}

/* Two stamps of eight bytes each, behind the head of an array of six. */
static void read_residence(const unsigned char *frame, size_t size)
{
    size_t at = (size_t)stamps_offset;
    if (size < at + 19 || frame[at] != 0x96 || frame[at + 1] != 0xcf || frame[at + 10] != 0xcf)
        die("expected stamps at byte %ld of a reply of %zu bytes, found none", stamps_offset, size);
    last_residence_ns = get_be64(frame + at + 11) - get_be64(frame + at + 2);
}

/* Receives one reply: the index of its request within this command, UNSOLICITED, or -2 and an errno. */
static int64_t receive(uint64_t first, int flags)
{
    static unsigned char frame[1 << 16];
    int size = zmq_recv(socket_, frame, sizeof frame, flags);
    if (size < 0)
        return -2;
    size_t have = (size_t)size < sizeof frame ? (size_t)size : sizeof frame;
    size_t at = (size_t)reply_id_offset;
    if (have < at + 9 || frame[at - 1] != 0xcf) {
        if (have > at && frame[at - 1] == 0) { /* request id 0: an event or a notice, nobody's reply */
            unsolicited++;
            return UNSOLICITED;
        }
        note_bad(frame, have);
        die("expected a reply with an 8-byte request id at %ld, found something else in %d bytes", reply_id_offset, size);
    }
    uint64_t index = get_be64(frame + at) - FIRST_ID - first;
    if (index >= sent_total - first)
        die("a reply to request %llu, which is not outstanding", (unsigned long long)get_be64(frame + at));
    if (!is_echo && frame[at + 8] != expected_status)
        note_bad(frame, have);
    else if (stamps_offset >= 0)
        read_residence(frame, have);
    return (int64_t)index;
}

/* Turns the sent time of request `index` into its latency; a second reply to one request ends the program. */
static void record(uint64_t *sent_ns, uint64_t *latency_ns, int64_t index, uint64_t now)
{
    if (sent_ns[index] == ANSWERED)
        die("two replies to one request");
    latency_ns[index] = now - sent_ns[index];
    sent_ns[index] = ANSWERED;
    if (residence_ns != NULL)
        residence_ns[index] = last_residence_ns;
}

static bool run_closed(uint64_t count, uint64_t *latency_ns)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t first = sent_total, began = now_ns();
        if (send_next(0) != 0)
            return false;
        int64_t index;
        do
            index = receive(first, 0);
        while (index == UNSOLICITED);
        if (index < 0)
            return false;
        latency_ns[i] = now_ns() - began;
        if (residence_ns != NULL)
            residence_ns[i] = last_residence_ns;
    }
    return true;
}

static bool run_pipelined(uint64_t count, uint64_t window, uint64_t *sent_ns, uint64_t *latency_ns)
{
    uint64_t first = sent_total, received = 0;
    while (received < count) {
        while (sent_total - first < count && sent_total - first - received < window) {
            sent_ns[sent_total - first] = now_ns();
            if (send_next(0) != 0)
                return false;
        }
        /* One blocking receive, then what has already arrived: an empty receive costs a system call. */
        for (int burst = 0; burst < DRAIN_BURST && received < sent_total - first; burst++) {
            int64_t index = receive(first, burst == 0 ? 0 : ZMQ_DONTWAIT);
            if (index == UNSOLICITED)
                continue;
            if (index < 0) {
                if (burst > 0 && zmq_errno() == EAGAIN)
                    break;
                return false;
            }
            record(sent_ns, latency_ns, index, now_ns());
            received++;
        }
    }
    return true;
}

/* Sleeps until `deadline` or until the socket's mailbox stirs. zmq_poll counts in milliseconds, which is no use here. */
static void sleep_until(int fd, uint64_t deadline)
{
    uint64_t now = now_ns();
    if (deadline <= now)
        return;
    struct timespec timeout = {(time_t)((deadline - now) / 1000000000u), (long)((deadline - now) % 1000000000u)};
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(fd, &readable);
    pselect(fd + 1, &readable, NULL, NULL, &timeout, NULL);
}

static bool run_open(uint64_t count, uint64_t rate, uint64_t *planned_ns, uint64_t *latency_ns)
{
    int fd;
    size_t fd_size = sizeof fd;
    if (zmq_getsockopt(socket_, ZMQ_FD, &fd, &fd_size) != 0)
        die_zmq("ZMQ_FD");
    uint64_t first = sent_total, received = 0, next = 0, last_progress = now_ns();
    uint64_t start_ns = last_progress + 1000000;
    for (uint64_t i = 0; i < count; i++)
        planned_ns[i] = start_ns + i * 1000000000u / rate;
    while (received < count) {
        int64_t index;
        while ((index = receive(first, ZMQ_DONTWAIT)) != -2) {
            last_progress = now_ns();
            if (index == UNSOLICITED)
                continue;
            record(planned_ns, latency_ns, index, last_progress);
            received++;
        }
        if (zmq_errno() != EAGAIN)
            return false;
        if (received == count)
            break;
        uint64_t now = now_ns();
        if (next < count && planned_ns[next] <= now) {
            if (send_next(ZMQ_DONTWAIT) == 0)
                next++;
            else if (zmq_errno() != EAGAIN)
                return false;
            continue;
        }
        if (next == count && now - last_progress > (uint64_t)REPLY_TIMEOUT_MS * 1000000u) {
            errno = EAGAIN;
            return false;
        }
        sleep_until(fd, next < count ? planned_ns[next] : now + 100000000u);
    }
    return true;
}

static void say_hello(const char *path, long session_offset)
{
    struct blob hello = read_blob(path);
    unsigned char frame[4096];
    if (zmq_send(socket_, hello.data, hello.size, 0) < 0)
        die_zmq("hello");
    int size = zmq_recv(socket_, frame, sizeof frame, 0);
    if (size < 0)
        die_zmq("hello: no reply");
    for (int i = 0; i + (int)sizeof SESSION_KEY + 8 <= size && (size_t)size <= sizeof frame; i++)
        if (memcmp(frame + i, SESSION_KEY, sizeof SESSION_KEY) == 0) {
            memcpy(request.data + session_offset, frame + i + sizeof SESSION_KEY, 8);
            free(hello.data);
            return;
        }
    die("hello: expected a session token in the reply of %d bytes, found none", size);
}

static void answer(const char *mode, uint64_t count, uint64_t elapsed_ns, bool ok)
{
    printf("{\"mode\": \"%s\", \"requests\": %llu, \"elapsed_ns\": %llu, \"bad\": %llu, \"unsolicited\": %llu, ", mode,
           (unsigned long long)count, (unsigned long long)elapsed_ns, (unsigned long long)bad,
           (unsigned long long)unsolicited);
    printf("\"error\": \"%s\", \"first_bad\": \"", ok ? "" : zmq_strerror(zmq_errno()));
    for (size_t i = 0; i < first_bad_size; i++)
        printf("%02x", first_bad[i]);
    puts("\"}");
    fflush(stdout);
}

static bool run_command(const char *line)
{
    unsigned long long count = 0, argument = 1;
    char mode[16] = "", path[1024] = "-";
    bool is_closed = sscanf(line, "%15s", mode) == 1 && strcmp(mode, "closed") == 0;
    if (is_closed ? sscanf(line, "%*s %llu %1023s", &count, path) != 2
                  : sscanf(line, "%*s %llu %llu %1023s", &count, &argument, path) != 3)
        die("expected a command, found: %s", line);
    if (count == 0 || argument == 0)
        die("expected numbers above 0, found: %s", line);
    uint64_t *times = calloc(count, sizeof *times), *latencies = calloc(count, sizeof *latencies);
    if (times == NULL || latencies == NULL)
        die("out of memory");
    memset(times, 1, count * sizeof *times); /* touch the pages now, not inside the measurement */
    memset(latencies, 1, count * sizeof *latencies);
    residence_ns = stamps_offset < 0 ? NULL : calloc(count, sizeof *residence_ns);
    bad = unsolicited = first_bad_size = 0;
    uint64_t began = now_ns();
    bool ok;
    if (is_closed)
        ok = run_closed(count, latencies);
    else if (strcmp(mode, "pipelined") == 0)
        ok = run_pipelined(count, argument, times, latencies);
    else if (strcmp(mode, "open") == 0)
        ok = run_open(count, argument, times, latencies);
    else
        die("expected closed, pipelined or open, found: %s", mode);
    uint64_t elapsed = now_ns() - began;
    if (ok) {
        write_latencies(path, latencies, count);
        if (residence_ns != NULL && strcmp(path, "-") != 0) {
            strncat(path, "-residence", sizeof path - strlen(path) - 1);
            write_latencies(path, residence_ns, count);
        }
    }
    free(residence_ns);
    answer(mode, count, elapsed, ok);
    free(times);
    free(latencies);
    return ok;
}

static bool fits(long offset, size_t width)
{
    return offset < 0 || (size_t)offset + width <= request.size;
}

int main(int argc, char **argv)
{
    void *context = start(argc, argv);
    const char *hello_path = option(argc, argv, "--hello", NULL);
    long session_offset = offset_option(argc, argv, "--session-offset");
    request = read_blob(required_option(argc, argv, "--request"));
    request_id_offset = strtol(required_option(argc, argv, "--request-id-offset"), NULL, 10);
    ulid_offset = offset_option(argc, argv, "--ulid-offset");
    stamps_offset = offset_option(argc, argv, "--stamps-offset");
    expected_status = (unsigned char)strtol(option(argc, argv, "--status", "0"), NULL, 10);
    is_echo = option(argc, argv, "--echo", NULL) != NULL;
    reply_id_offset = is_echo ? request_id_offset : strtol(option(argc, argv, "--reply-id-offset", "3"), NULL, 10);
    if (request_id_offset < 1 || reply_id_offset < 1 || !fits(request_id_offset, 8) || !fits(session_offset, 8) ||
        !fits(ulid_offset, 26) || (hello_path != NULL && session_offset < 0))
        die("expected offsets inside the request of %zu bytes", request.size);

    socket_ = open_socket(context, ZMQ_DEALER, FLOOR_HWM);
    set_int(socket_, ZMQ_IMMEDIATE, 1);
    set_int(socket_, ZMQ_RCVTIMEO, REPLY_TIMEOUT_MS);
    if (zmq_connect(socket_, required_option(argc, argv, "--endpoint")) != 0)
        die_zmq("zmq_connect");
    if (hello_path != NULL)
        say_hello(hello_path, session_offset);
    ready();

    char line[2048];
    while (next_command(line, sizeof line))
        if (!run_command(line))
            break;
    return finish(context, socket_, NULL, NULL);
}
