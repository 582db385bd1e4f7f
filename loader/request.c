// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Does what is asked of a running instance, and words the answer.
 * This file knows nothing of sockets.
 */
#include "request.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

static json_t *error(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

/* Each text may hold several rules, with commas between them, as an option may. */
static int read_rules(const json_t *texts, struct advertise *rules, struct problem *problem)
{
	const json_t *text;
	char *copy, *rest, *item;
	size_t i;
	int err = 0;

	if (json_array_size(texts) == 0)
		return problem_set(problem, "set: no address to advertise was named");
	json_array_foreach (texts, i, text) {
		rest = copy = strdup(json_string_length(text) ? json_string_value(text) : "");
		if (!copy)
			return problem_set(problem, "set: no memory");
		while (!err && (item = strsep(&rest, ",")))
			err = advertise_add(rules, "advertise", item, problem);
		free(copy);
		if (err)
			break;
	}
	return err;
}

static json_t *set_advertise(struct instance *instance, const json_t *texts)
{
	struct advertise rules = {0};
	struct problem problem;
	int err;

	err = read_rules(texts, &rules, &problem);
	if (!err && follow_replace(instance->follow, &rules))
		err = problem_set(
			&problem,
			"set: the advertise map cannot be written; see the log of ftpfix");
	if (!err)
		return json_object();
	advertise_clear(&rules);
	return error(problem.text);
}

static json_t *set_data_ports(struct instance *instance, const char *text)
{
	struct config before = instance->config;
	struct problem problem;

	if (config_set_data_ports(&instance->config, "data-ports", text, &problem))
		return error(problem.text);
	if (dataplane_write_services(&instance->dataplane, &instance->config)) {
		/* The ports that were written go back to what the others have. */
		instance->config = before;
		dataplane_write_services(&instance->dataplane, &instance->config);
		return error("set: the services map cannot be written; see the log of ftpfix");
	}
	return json_object();
}

static json_t *answer_set(struct instance *instance, const json_t *request)
{
	const json_t *advertise = json_object_get(request, "advertise");
	const char *data_ports = json_string_value(json_object_get(request, "data_ports"));

	if (advertise)
		return set_advertise(instance, advertise);
	if (data_ports)
		return set_data_ports(instance, data_ports);
	return error("set: nothing that can be set was named");
}

static json_t *answer_server(struct instance *instance, const json_t *request)
{
	const char *action = json_string_value(json_object_get(request, "action"));
	const char *server = json_string_value(json_object_get(request, "server"));
	struct problem problem;

	if (!action || !server)
		return error("server: no server was named");
	if (balancer_change(instance->balancer, action, server, &problem))
		return error(problem.text);
	return json_object();
}

static json_t *answer_metrics(const struct instance *instance)
{
	char *text = metrics_text(instance);
	json_t *answer;

	if (!text)
		return error("metrics: the maps cannot be read; see the log of ftpfix");
	answer = json_pack("{s:s}", "text", text);
	free(text);
	return answer;
}

/* What is asked for by anything but "show", which has more to say than one object. */
static json_t *answer(struct instance *instance, const char *verb, const json_t *request)
{
	if (!verb)
		return error("the request names no verb");
	if (strcmp(verb, "set") == 0)
		return answer_set(instance, request);
	if (strcmp(verb, "server") == 0)
		return answer_server(instance, request);
	if (strcmp(verb, "metrics") == 0)
		return answer_metrics(instance);
	return error("the request names an unknown verb; is this ftpfix newer than the one that "
		     "runs?");
}

/* Reads into an open stream. Whether there is more. */
static bool read_piece(struct model *model, FILE *out)
{
	int result = model_read(model, out);

	if (result == 0)
		fputs("{\"complete\":true}\n", out);
	else if (result < 0)
		fputs("{\"error\":\"show: the maps cannot be read; see the log of ftpfix\"}\n",
		      out);
	return result > 0;
}

void reply_next(struct reply *reply)
{
	struct model *model = reply->rest;
	bool more;
	FILE *out;

	free(reply->text);
	reply->text = NULL;
	out = model ? open_memstream(&reply->text, &reply->length) : NULL;
	if (!out)
		return;
	/* A section may have no entries. */
	do {
		more = read_piece(model, out);
		fflush(out);
	} while (more && reply->length == 0);
	if (fclose(out)) {
		free(reply->text);
		reply->text = NULL;
	}
	if (more)
		return;
	model_close(model);
	reply->rest = NULL;
}

void request_answer(struct instance *instance, const char *request, size_t length,
		    struct reply *reply)
{
	json_t *parsed = json_loadb(request, length, 0, NULL), *object;
	const char *verb = json_string_value(json_object_get(parsed, "verb"));

	*reply = (struct reply){0};
	if (verb && strcmp(verb, "show") == 0) {
		reply->rest =
			model_open(instance, json_string_value(json_object_get(parsed, "section")));
		reply_next(reply);
	} else {
		object = answer(instance, verb, parsed);
		reply->text = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
		reply->length = reply->text ? strlen(reply->text) : 0;
		json_decref(object);
	}
	json_decref(parsed);
}

void reply_end(struct reply *reply)
{
	free(reply->text);
	model_close(reply->rest);
	*reply = (struct reply){0};
}
