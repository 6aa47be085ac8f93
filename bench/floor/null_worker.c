/* A worker without a terminal: says READY to a broker and answers every CALL at once with a result from a file.
 *
 *   null_worker --lib L --endpoint E --ready FILE --heartbeat FILE [--result NAME FILE]...
 *
 * READY, with its credits, and HEARTBEAT are whole frames made by the project's own codec. Of what comes from the
 * broker only WELCOME and CALL are read; HEARTBEAT needs no answer. A call without a result gets nil. order_send is
 * announced with BEGUN before it is answered, as the real worker announces it: that frame is part of an order's price.
 * "ready" is printed at WELCOME, not before.
 */
#include "floor.h"

enum kind { CALL = 4, BEGUN = 5, RETURN = 6, WELCOME = 8, REJECT = 10 };
enum { MAX_RESULTS = 16 };

static struct {
    const char *name;
    struct blob value;
} results[MAX_RESULTS];
static int result_count;
static const unsigned char NIL[] = {0xc0};

/* Reading: a cursor over one frame; the frames come from our own broker, so damage ends the program. */

struct cursor {
    const unsigned char *at, *end;
};

static const unsigned char *take(struct cursor *c, size_t count)
{
    if ((size_t)(c->end - c->at) < count)
        die("a message from the broker ends early");
    const unsigned char *taken = c->at;
    c->at += count;
    return taken;
}

static uint64_t take_uint(struct cursor *c)
{
    unsigned char head = *take(c, 1);
    if (head <= 0x7f)
        return head;
    if (head < 0xcc || head > 0xcf)
        die("expected an unsigned integer, found the byte %02x", head);
    size_t width = (size_t)1 << (head - 0xcc);
    const unsigned char *bytes = take(c, width);
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | bytes[i];
    return value;
}

static size_t take_str(struct cursor *c, const unsigned char **text)
{
    unsigned char head = *take(c, 1);
    size_t length;
    if ((head & 0xe0) == 0xa0)
        length = head & 0x1f;
    else if (head == 0xd9)
        length = *take(c, 1);
    else
        die("expected a short string, found the byte %02x", head);
    *text = take(c, length);
    return length;
}

/* Writing: every integer in its shortest form, as the project's codec writes it. */

static unsigned char *put_uint(unsigned char *p, uint64_t value)
{
    static const int widths[] = {1, 2, 4, 8};
    if (value <= 0x7f) {
        *p++ = (unsigned char)value;
        return p;
    }
    int log = value <= 0xff ? 0 : value <= 0xffff ? 1 : value <= 0xffffffffu ? 2 : 3;
    *p++ = (unsigned char)(0xcc + log);
    for (int shift = 8 * (widths[log] - 1); shift >= 0; shift -= 8)
        *p++ = (unsigned char)(value >> shift);
    return p;
}

static unsigned char *put_head(unsigned char *p, int fields, enum kind kind, uint64_t generation, uint64_t call_id)
{
    *p++ = (unsigned char)(0x90 | fields);
    *p++ = 1; /* protocol version */
    *p++ = (unsigned char)kind;
    return put_uint(put_uint(p, generation), call_id);
}

static void result_for(const unsigned char *name, size_t length, const unsigned char **data, size_t *size)
{
    for (int i = 0; i < result_count; i++)
        if (strlen(results[i].name) == length && memcmp(results[i].name, name, length) == 0) {
            *data = results[i].value.data;
            *size = results[i].value.size;
            return;
        }
    *data = NIL;
    *size = sizeof NIL;
}

static int answer_call(void *socket, struct cursor *call, uint64_t arrived_ns)
{
    static unsigned char frame[64 + MAX_BLOB_BYTES];
    uint64_t generation = take_uint(call), call_id = take_uint(call);
    const unsigned char *name, *result;
    size_t length = take_str(call, &name), result_size;
    if (length == 10 && memcmp(name, "order_send", 10) == 0) {
        unsigned char *end = put_head(frame, 4, BEGUN, generation, call_id);
        if (zmq_send(socket, frame, (size_t)(end - frame), 0) < 0)
            return -1;
    }
    result_for(name, length, &result, &result_size);
    unsigned char *end = put_head(frame, 8, RETURN, generation, call_id);
    *end++ = 0; /* status: ok */
    end = put_uint(end, 0);
    end = put_uint(end, now_ns() - arrived_ns);
    memcpy(end, result, result_size);
    return zmq_send(socket, frame, (size_t)(end - frame) + result_size, 0);
}

static void read_results(int argc, char **argv)
{
    for (int i = 1; i + 2 < argc; i++) {
        if (strcmp(argv[i], "--result") != 0)
            continue;
        if (result_count == MAX_RESULTS)
            die("expected at most %d results", MAX_RESULTS);
        results[result_count].name = argv[i + 1];
        results[result_count++].value = read_blob(argv[i + 2]);
    }
}

int main(int argc, char **argv)
{
    void *context = start(argc, argv);
    read_results(argc, argv);
    struct blob ready_frame = read_blob(required_option(argc, argv, "--ready"));
    struct blob heartbeat = read_blob(required_option(argc, argv, "--heartbeat"));
    void *socket = connected_socket(context, ZMQ_DEALER, FLOOR_HWM, required_option(argc, argv, "--endpoint"));
    uint64_t heartbeat_ns = 1000000000u, next_heartbeat = UINT64_MAX;
    if (zmq_send(socket, ready_frame.data, ready_frame.size, 0) < 0)
        return finish(context, socket, NULL, "zmq_send");

    zmq_msg_t message;
    zmq_msg_init(&message);
    for (;;) {
        int size = zmq_msg_recv(&message, socket, 0);
        uint64_t now = now_ns();
        if (size < 0 && zmq_errno() != EAGAIN)
            return finish(context, socket, NULL, "zmq_msg_recv");
        if (now >= next_heartbeat) {
            if (zmq_send(socket, heartbeat.data, heartbeat.size, 0) < 0)
                return finish(context, socket, NULL, "zmq_send");
            next_heartbeat = now + heartbeat_ns;
        }
        if (size < 0)
            continue;
        struct cursor c = {zmq_msg_data(&message), (unsigned char *)zmq_msg_data(&message) + size};
        unsigned char kind = take(&c, 3)[2];
        if (kind == CALL) {
            if (answer_call(socket, &c, now) < 0)
                return finish(context, socket, NULL, "zmq_send");
        } else if (kind == WELCOME) {
            take_uint(&c); /* the generation: each CALL carries it too */
            heartbeat_ns = take_uint(&c) * 1000000u;
            next_heartbeat = now + heartbeat_ns;
            set_int(socket, ZMQ_RCVTIMEO, (int)(heartbeat_ns / 2000000u) + 1);
            ready();
        } else if (kind == REJECT) {
            die("the broker rejects this worker");
        }
    }
}
