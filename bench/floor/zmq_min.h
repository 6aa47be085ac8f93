/* The part of libzmq's C API that the floor programs use, declared here and bound at run time.
 *
 * The pyzmq wheel bundles libzmq without its header and without a name to link against. What is measured must be
 * that very library, not whatever the system happens to have, so each program is told its path (--lib) and binds the
 * functions below with dlsym. The declarations and numbers are those of libzmq 4.3's public, stable zmq.h.
 */
#ifndef ZMQ_MIN_H
#define ZMQ_MIN_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 64 bytes, aligned like a pointer: zmq.h promises no more, and nothing here looks inside. */
typedef struct zmq_msg_t {
    _Alignas(void *) unsigned char opaque[64];
} zmq_msg_t;

enum { ZMQ_PUB = 1, ZMQ_SUB = 2, ZMQ_DEALER = 5, ZMQ_ROUTER = 6 };

enum {
    ZMQ_ROUTING_ID = 5,
    ZMQ_SUBSCRIBE = 6,
    ZMQ_FD = 14,
    ZMQ_LINGER = 17,
    ZMQ_SNDHWM = 23,
    ZMQ_RCVHWM = 24,
    ZMQ_RCVTIMEO = 27,
    ZMQ_ROUTER_MANDATORY = 33,
    ZMQ_IMMEDIATE = 39
};

enum { ZMQ_DONTWAIT = 1, ZMQ_SNDMORE = 2 };

/* zmq.h: ZMQ_HAUSNUMERO + 53. */
enum { ETERM = 156384765 };

/* F(return type, name, parameters) */
#define ZMQ_MIN_FUNCTIONS(F)                                                      \
    F(int, zmq_errno, (void))                                                     \
    F(const char *, zmq_strerror, (int error))                                    \
    F(void, zmq_version, (int *major, int *minor, int *patch))                    \
    F(void *, zmq_ctx_new, (void))                                                \
    F(int, zmq_ctx_shutdown, (void *context))                                     \
    F(int, zmq_ctx_term, (void *context))                                         \
    F(void *, zmq_socket, (void *context, int type))                              \
    F(int, zmq_close, (void *socket))                                             \
    F(int, zmq_setsockopt, (void *socket, int option, const void *v, size_t n))   \
    F(int, zmq_getsockopt, (void *socket, int option, void *v, size_t *n))        \
    F(int, zmq_bind, (void *socket, const char *endpoint))                        \
    F(int, zmq_connect, (void *socket, const char *endpoint))                     \
    F(int, zmq_send, (void *socket, const void *data, size_t n, int flags))       \
    F(int, zmq_recv, (void *socket, void *data, size_t n, int flags))             \
    F(int, zmq_msg_init, (zmq_msg_t * message))                                   \
    F(int, zmq_msg_recv, (zmq_msg_t * message, void *socket, int flags))          \
    F(int, zmq_msg_send, (zmq_msg_t * message, void *socket, int flags))          \
    F(int, zmq_msg_close, (zmq_msg_t * message))                                  \
    F(void *, zmq_msg_data, (zmq_msg_t * message))                                \
    F(size_t, zmq_msg_size, (const zmq_msg_t *message))                           \
    F(int, zmq_msg_more, (const zmq_msg_t *message))                              \
    F(int, zmq_proxy, (void *frontend, void *backend, void *capture))

#define ZMQ_MIN_DECLARE(type, name, parameters) static type(*name) parameters;
ZMQ_MIN_FUNCTIONS(ZMQ_MIN_DECLARE)
#undef ZMQ_MIN_DECLARE

/* Binds every function above, or ends the program: a floor with half a library measures nothing. */
static void zmq_min_load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "libzmq: %s\n", dlerror());
        exit(2);
    }
    /* memcpy: ISO C has no cast from an object pointer to a function pointer, POSIX promises the same representation. */
#define ZMQ_MIN_BIND(type, name, parameters)                                      \
    do {                                                                          \
        void *symbol = dlsym(library, #name);                                     \
        if (symbol == NULL) {                                                     \
            fprintf(stderr, "libzmq: expected the symbol %s, found none\n", #name); \
            exit(2);                                                              \
        }                                                                         \
        memcpy(&name, &symbol, sizeof symbol);                                    \
    } while (0);
    ZMQ_MIN_FUNCTIONS(ZMQ_MIN_BIND)
#undef ZMQ_MIN_BIND
}

#endif
