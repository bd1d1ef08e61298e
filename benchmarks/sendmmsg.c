/*
 * The floor for the SYN engine: the same packets, sent and answered, from a loop in C.
 *
 *     sendmmsg INTERFACE MAC SOURCE FIRST COUNT
 *
 * Sends a SYN to each of the ports 1 to 65535 of COUNT addresses from FIRST on, spread over both as the engine does, in
 * batches of 256 through a packet socket, and takes in what comes back through a socket filter between two batches.
 * Prints packets sent, SYN-ACKs, resets, seconds, and seconds of processor time of the loop alone.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 256, SIZE = 44, SNAPSHOT = 128, OWN = 62000 };

static uint8_t out[BATCH][SIZE], in[BATCH][SNAPSHOT];
static struct iovec pieces_out[BATCH], pieces_in[BATCH];
static struct mmsghdr sent[BATCH], got[BATCH];
static unsigned long synacks, resets;

static uint32_t words(const uint8_t *at, int size) {
    uint32_t sum = 0;
    for (int i = 0; i < size; i += 2) sum += (uint32_t)at[i] << 8 | at[i + 1];
    return sum;
}

static void put16(uint8_t *at, uint32_t value) {
    at[0] = value >> 8;
    at[1] = value;
}

static uint16_t folded(uint32_t sum) {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

static void build(uint8_t *packet, uint32_t address, uint16_t port) {
    uint8_t *tcp = packet + 20;
    put16(packet + 16, address >> 16);
    put16(packet + 18, address & 0xffff);
    put16(packet + 10, 0);
    put16(packet + 10, folded(words(packet, 20)));
    uint32_t cookie = port * 2654435761u;
    put16(tcp + 2, port);
    put16(tcp + 4, cookie >> 16);
    put16(tcp + 6, cookie & 0xffff);
    put16(tcp + 16, 0);
    put16(tcp + 16, folded(words(packet + 12, 8) + 6 + 24 + words(tcp, 24)));
}

static void receive(int line) {
    int count;
    while ((count = recvmmsg(line, got, BATCH, MSG_DONTWAIT, NULL)) > 0) {
        for (int i = 0; i < count; i++) {
            uint8_t *tcp = in[i] + 20;
            uint16_t port = tcp[0] << 8 | tcp[1];
            uint32_t ack = (uint32_t)tcp[8] << 24 | tcp[9] << 16 | tcp[10] << 8 | tcp[11];
            if (got[i].msg_len < 40 || ack != port * 2654435761u + 1) continue;
            if (tcp[13] & 4) resets++;
            else if (tcp[13] & 2) synacks++;
        }
        if (count < BATCH) break;
    }
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    struct sock_filter steps[] = {
        {0x30, 0, 0, 9}, {0x15, 0, 4, 6}, {0xb1, 0, 0, 0}, {0x48, 0, 0, 2}, {0x15, 0, 1, OWN}, {6, 0, 0, SNAPSHOT}, {6, 0, 0, 0},
    };
    struct sock_fprog filter = {sizeof steps / sizeof *steps, steps};
    struct sockaddr_ll name = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_halen = 6};
    int line = socket(AF_PACKET, SOCK_DGRAM, 0), buffer = 1 << 26;
    name.sll_ifindex = if_nametoindex(argv[1]);
    setsockopt(line, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
    setsockopt(line, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    if (bind(line, (struct sockaddr *)&name, sizeof name)) return perror("bind"), 1;
    sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", name.sll_addr, name.sll_addr + 1, name.sll_addr + 2,
           name.sll_addr + 3, name.sll_addr + 4, name.sll_addr + 5);
    for (int i = 0; i < BATCH; i++) {
        const uint8_t start[] = {0x45, 0, 0, SIZE, 0, 0, 0x40, 0, 64, 6}, option[] = {2, 4, 5, 0xb4};
        memcpy(out[i], start, sizeof start);
        inet_pton(AF_INET, argv[3], out[i] + 12);
        put16(out[i] + 20, OWN);
        out[i][32] = 0x60, out[i][33] = 2, out[i][34] = 0xfa, out[i][35] = 0xf0;
        memcpy(out[i] + 40, option, 4);
        pieces_out[i] = (struct iovec){out[i], SIZE};
        pieces_in[i] = (struct iovec){in[i], SNAPSHOT};
        sent[i].msg_hdr = (struct msghdr){&name, sizeof name, pieces_out + i, 1, NULL, 0, 0};
        got[i].msg_hdr = (struct msghdr){NULL, 0, pieces_in + i, 1, NULL, 0, 0};
    }
    double began = seconds(CLOCK_MONOTONIC), busy = seconds(CLOCK_PROCESS_CPUTIME_ID);
    unsigned long count = 0;
    struct in_addr first;
    if (!inet_aton(argv[4], &first)) return 2;
    for (uint64_t at = 0, all = atoi(argv[5]) * 65535ull; at < all;) {
        int many = 0;
        for (; many < BATCH && at < all; at++) {
            uint64_t probe = at * 648043 % all; /* a number that shares no factor with all, up to 16 addresses */
            build(out[many++], ntohl(first.s_addr) + probe / 65535, 1 + probe % 65535);
        }
        for (int done = 0, more; done < many; done += more)
            if ((more = sendmmsg(line, sent + done, many - done, 0)) < 0) return perror("sendmmsg"), 1;
        count += many;
        receive(line);
    }
    for (double until = seconds(CLOCK_MONOTONIC) + 0.05; seconds(CLOCK_MONOTONIC) < until;) {
        struct timespec nap = {0, 5000000};
        receive(line);
        nanosleep(&nap, NULL);
    }
    printf("%lu %lu %lu %.6f %.6f\n", count, synacks, resets, seconds(CLOCK_MONOTONIC) - began,
           seconds(CLOCK_PROCESS_CPUTIME_ID) - busy);
    return 0;
}
