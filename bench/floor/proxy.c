/* zmq_proxy, and nothing else: what a broker that adds no work of its own costs.
 *
 *   proxy --lib L --frontend ENDPOINT --backend ENDPOINT
 */
#include "floor.h"

int main(int argc, char **argv)
{
    void *context = start(argc, argv);
    void *frontend = bound_socket(context, ZMQ_ROUTER, FLOOR_HWM, required_option(argc, argv, "--frontend"));
    void *backend = bound_socket(context, ZMQ_DEALER, FLOOR_HWM, required_option(argc, argv, "--backend"));
    ready();
    zmq_proxy(frontend, backend, NULL); /* returns only when the context is shut down */
    return finish(context, frontend, backend, "zmq_proxy");
}
