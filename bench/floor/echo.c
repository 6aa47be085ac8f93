/* Answers every request at once: the floor's server, or the floor's worker behind a zmq_proxy.
 *
 *   echo --lib L --bind ENDPOINT      a ROUTER that clients talk to directly (the round-trip floor)
 *   echo --lib L --connect ENDPOINT   a DEALER behind a proxy's backend (the chain floor)
 *   --reply FILE --request-id-offset K [--reply-id-offset R]
 *                                     answer with this frame, the request's 8-byte id copied from K to R (default 3);
 *                                     without it the request itself is sent back
 *
 * Both see [routing id, frame]: the proxy's ROUTER put the id there, as our own would have.
 */
#include "floor.h"

int main(int argc, char **argv)
{
    void *context = start(argc, argv);
    const char *bind_to = option(argc, argv, "--bind", NULL);
    const char *reply_path = option(argc, argv, "--reply", NULL);
    long request_id_offset = offset_option(argc, argv, "--request-id-offset");
    long reply_id_offset = strtol(option(argc, argv, "--reply-id-offset", "3"), NULL, 10);
    struct blob reply = {NULL, 0};
    if (reply_path != NULL) {
        reply = read_blob(reply_path);
        if (request_id_offset < 0 || reply_id_offset < 0 || (size_t)reply_id_offset + 8 > reply.size)
            die("expected offsets of the request id inside the request and inside the reply of %zu bytes", reply.size);
    }
    void *socket = bind_to != NULL
                       ? bound_socket(context, ZMQ_ROUTER, FLOOR_HWM, bind_to)
                       : connected_socket(context, ZMQ_DEALER, FLOOR_HWM, required_option(argc, argv, "--connect"));
    ready();

    zmq_msg_t routing_id, request;
    zmq_msg_init(&routing_id);
    zmq_msg_init(&request);
    for (;;) {
        if (zmq_msg_recv(&routing_id, socket, 0) < 0 || zmq_msg_recv(&request, socket, 0) < 0)
            return finish(context, socket, NULL, "zmq_msg_recv");
        if (zmq_msg_more(&request))
            die("expected two parts, found more");
        if (zmq_msg_send(&routing_id, socket, ZMQ_SNDMORE) < 0)
            return finish(context, socket, NULL, "zmq_msg_send");
        if (reply.data == NULL) {
            if (zmq_msg_send(&request, socket, 0) < 0)
                return finish(context, socket, NULL, "zmq_msg_send");
            continue;
        }
        if (zmq_msg_size(&request) < (size_t)request_id_offset + 8)
            die("expected a request of at least %ld bytes, found %zu", request_id_offset + 8, zmq_msg_size(&request));
        memcpy(reply.data + reply_id_offset, (unsigned char *)zmq_msg_data(&request) + request_id_offset, 8);
        if (zmq_send(socket, reply.data, reply.size, 0) < 0)
            return finish(context, socket, NULL, "zmq_send");
    }
}
