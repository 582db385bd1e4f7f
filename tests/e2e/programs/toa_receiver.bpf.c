// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel modules called toa do on a server: they read the client's endpoint from
 * the packet with which a connection is accepted, and name it to whoever asks for the peer.
 * Shares nothing with ftpfix, so that it reads what is sent and not what was meant.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TCP_HEADER 20
#define OPTIONS_MAX 40
#define KIND_IPV4 254
#define LENGTH_IPV4 8
#define LENGTH_IPV6 20

struct client {
	__u8 kind;
	__u8 length;
	__be16 be_port;
	__be32 be_address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct client);
} clients SEC(".maps");

/* The kind of the option for IPv6 differs between the modules. */
static int wanted(__u8 kind, __u8 length)
{
	return (kind == KIND_IPV4 && length == LENGTH_IPV4) ||
	       ((kind == KIND_IPV4 || kind == KIND_IPV4 - 1) && length == LENGTH_IPV6);
}

static void remember(struct bpf_sock_ops *context, const __u8 *option, const void *end)
{
	struct bpf_sock *socket = context->sk;
	struct client *client;

	if (!socket || (void *)(option + LENGTH_IPV4) > end)
		return;
	client = bpf_sk_storage_get(&clients, socket, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!client)
		return;
	__builtin_memcpy(client, option, LENGTH_IPV4);
	if (client->length == LENGTH_IPV6 && (void *)(option + LENGTH_IPV6) <= end)
		__builtin_memcpy(client, option, LENGTH_IPV6);
}

SEC("sockops")
int accepted(struct bpf_sock_ops *context)
{
	const void *end = context->skb_data_end;
	const __u8 *header = context->skb_data;
	__u32 at = 0;

	if (context->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return 1;
	for (int count = 0; count < OPTIONS_MAX && at <= OPTIONS_MAX - LENGTH_IPV4; count++) {
		const __u8 *option = header + TCP_HEADER + at;

		if ((void *)(option + 2) > end || !option[0])
			break;
		if (wanted(option[0], option[1])) {
			remember(context, option, end);
			break;
		}
		at += option[0] == 1 ? 1 : option[1];
	}
	return 1;
}

SEC("cgroup/getpeername4")
int peer4(struct bpf_sock_addr *context)
{
	struct bpf_sock *socket = context->sk;
	struct client *client = socket ? bpf_sk_storage_get(&clients, socket, NULL, 0) : NULL;

	if (client && client->length == LENGTH_IPV4) {
		context->user_ip4 = client->be_address[0];
		context->user_port = client->be_port;
	}
	return 1;
}

SEC("cgroup/getpeername6")
int peer6(struct bpf_sock_addr *context)
{
	struct bpf_sock *socket = context->sk;
	struct client *client = socket ? bpf_sk_storage_get(&clients, socket, NULL, 0) : NULL;

	if (client && client->length == LENGTH_IPV6) {
		context->user_ip6[0] = client->be_address[0];
		context->user_ip6[1] = client->be_address[1];
		context->user_ip6[2] = client->be_address[2];
		context->user_ip6[3] = client->be_address[3];
		context->user_port = client->be_port;
	}
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
