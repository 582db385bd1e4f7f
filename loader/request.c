// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Does what is asked of a running instance, and words the answer.
 * This file knows nothing of sockets.
 */
#include "request.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "model.h"

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

static json_t *answer_show(const struct instance *instance, const json_t *request)
{
	const char *section = json_string_value(json_object_get(request, "section"));
	json_t *model = model_read(instance, section);

	return model ? json_pack("{s:o}", "sections", model)
		     : error("show: the maps cannot be read; see the log of ftpfix");
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

char *request_answer(struct instance *instance, const char *request, size_t length)
{
	json_t *parsed = json_loadb(request, length, 0, NULL);
	const char *verb = json_string_value(json_object_get(parsed, "verb"));
	json_t *answer;
	char *text;

	if (!verb)
		answer = error("the request names no verb");
	else if (strcmp(verb, "set") == 0)
		answer = answer_set(instance, parsed);
	else if (strcmp(verb, "server") == 0)
		answer = answer_server(instance, parsed);
	else if (strcmp(verb, "show") == 0)
		answer = answer_show(instance, parsed);
	else if (strcmp(verb, "metrics") == 0)
		answer = answer_metrics(instance);
	else
		answer = error("the request names an unknown verb; is this ftpfix newer than the "
			       "one that runs?");
	json_decref(parsed);
	text = answer ? json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	json_decref(answer);
	return text;
}
