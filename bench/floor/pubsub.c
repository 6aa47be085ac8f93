/* A PUB that sends one frame as fast as it can, and a SUB that counts: the broadcast floor and its measuring end.
 *
 *   pubsub --lib L --pub ENDPOINT --frame FILE     binds; command: send N RATE    (RATE 0: no pause)
 *   pubsub --lib L --sub ENDPOINT                  connects; command: count N TIMEOUT_MS
 *
 * No water mark on either side: a block is as long as the bench says, nothing is dropped, and a block is done when the
 * subscriber has its last frame. Both answer with times of CLOCK_MONOTONIC, which processes of one machine share.
 */
#include "floor.h"

static void answer(uint64_t count, uint64_t bytes, uint64_t first_ns, uint64_t last_ns)
{
    printf("{\"frames\": %llu, \"bytes\": %llu, \"first_ns\": %llu, \"last_ns\": %llu}\n", (unsigned long long)count,
           (unsigned long long)bytes, (unsigned long long)first_ns, (unsigned long long)last_ns);
    fflush(stdout);
}

static bool send_frames(void *socket, const struct blob *frame, uint64_t count, uint64_t rate)
{
    uint64_t began = now_ns();
    for (uint64_t i = 0; i < count; i++) {
        while (rate != 0 && now_ns() < began + i * 1000000000u / rate)
            continue;
        if (zmq_send(socket, frame->data, frame->size, 0) < 0)
            return false;
    }
    answer(count, count * frame->size, began, now_ns());
    return true;
}

/* Receives up to `count` frames, or until nothing has come for the timeout; the answer says how many. */
static bool count_frames(void *socket, uint64_t count, int timeout_ms)
{
    uint64_t received = 0, bytes = 0, first = 0, last = 0;
    zmq_msg_t message;
    zmq_msg_init(&message);
    set_int(socket, ZMQ_RCVTIMEO, timeout_ms);
    while (received < count) {
        int size = zmq_msg_recv(&message, socket, 0);
        if (size < 0) {
            if (zmq_errno() != EAGAIN)
                return false;
            break;
        }
        if (received++ == 0)
            first = now_ns();
        bytes += (uint64_t)size;
    }
    last = now_ns();
    zmq_msg_close(&message);
    answer(received, bytes, first, last);
    return true;
}

int main(int argc, char **argv)
{
    void *context = start(argc, argv);
    const char *publish_at = option(argc, argv, "--pub", NULL);
    struct blob frame = {NULL, 0};
    void *socket;
    if (publish_at != NULL) {
        frame = read_blob(required_option(argc, argv, "--frame"));
        socket = bound_socket(context, ZMQ_PUB, 0, publish_at);
    } else {
        socket = connected_socket(context, ZMQ_SUB, 0, required_option(argc, argv, "--sub"));
        if (zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0) != 0)
            die_zmq("ZMQ_SUBSCRIBE");
    }
    ready();

    char line[256];
    while (next_command(line, sizeof line)) {
        unsigned long long count, argument;
        if (sscanf(line, "%*s %llu %llu", &count, &argument) != 2)
            die("expected a command with two numbers, found: %s", line);
        if (!(publish_at != NULL ? send_frames(socket, &frame, count, argument)
                                 : count_frames(socket, count, (int)argument)))
            return finish(context, socket, NULL, "pubsub");
    }
    return finish(context, socket, NULL, NULL);
}
