// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the command lines into settings.
 * This file knows nothing of what the settings do.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "config_balancer.h"

/* getopt_long() returns these for the options of a table: outside of the range
 * of characters, and of the 1 that stands for an argument without an option. */
#define OPTION_FIRST 256
#define OPTION_HELP 'h'
#define ARGUMENT 1

static int add_device(struct device_list *list, const char *name, const char *text,
		      struct problem *problem)
{
	if (text[0] == '\0' || strlen(text) >= IF_NAMESIZE)
		return problem_set(problem, "%s: '%s' cannot be the name of an interface", name,
				   text);
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->device[i].name, text) == 0)
			return problem_set(problem, "%s: %s is named twice; name it once", name,
					   text);
	if (list->count == DEVICES_MAX)
		return problem_set(problem, "%s: more than %d interfaces; run a second ftpfix",
				   name, DEVICES_MAX);
	strcpy(list->device[list->count++].name, text);
	return 0;
}

static int take_dev(struct config *config, const char *text, struct problem *problem)
{
	return add_device(&config->uplinks, "--dev", text, problem);
}

static int take_server_dev(struct config *config, const char *text, struct problem *problem)
{
	return add_device(&config->server_side, "--server-dev", text, problem);
}

static int take_port(struct config *config, const char *text, struct problem *problem)
{
	__u16 port;
	int err;

	err = value_port("--port", text, &port, problem);
	if (err)
		return err;
	for (size_t i = 0; i < config->port_count; i++)
		if (config->port[i] == port)
			return problem_set(problem, "--port: %u is named twice; name it once",
					   port);
	if (config->port_count == FTPFIX_SERVICES_MAX)
		return problem_set(problem, "--port: more than %d ports", FTPFIX_SERVICES_MAX);
	config->port[config->port_count++] = port;
	return 0;
}

static int take_advertise(struct config *config, const char *text, struct problem *problem)
{
	return advertise_add(&config->advertise, "--advertise", text, problem);
}

static int take_data_ports(struct config *config, const char *text, struct problem *problem)
{
	/* Control ports are compared in config_complete(), when all are known. */
	return value_port_range("--data-ports", text, &config->port_low, &config->port_high,
				problem);
}

static int take_allow(struct config *config, const char *text, struct problem *problem)
{
	const char *names[ALLOWANCES];
	unsigned int choice;
	int err;

	for (size_t i = 0; i < ALLOWANCES; i++)
		names[i] = allowances[i].name;
	err = value_word("--allow", text, names, ALLOWANCES, &choice, problem);
	if (!err)
		config->allowed |= allowances[choice].bit;
	return err;
}

static int take_fxp(struct config *config, const char *text, struct problem *problem)
{
	(void)text;
	(void)problem;
	config->allowed |= FTPFIX_ALLOW_FXP;
	return 0;
}

static int take_expect_timeout(struct config *config, const char *text, struct problem *problem)
{
	static const struct span allowed = {1, 3600};

	return value_seconds("--expect-timeout", text, &allowed, &config->expect_seconds, problem);
}

static int take_dns_interval(struct config *config, const char *text, struct problem *problem)
{
	static const struct span allowed = {5, 86400};

	return value_seconds("--dns-interval", text, &allowed, &config->dns_seconds, problem);
}

static int take_listen(struct config *config, const char *text, struct problem *problem)
{
	return value_listen("--listen", text, &config->listen, problem);
}

static int take_attach(struct config *config, const char *text, struct problem *problem)
{
	if (strcmp(text, "tcx") == 0)
		config->attach = ATTACH_TCX;
	else if (strcmp(text, "clsact") == 0)
		config->attach = ATTACH_CLSACT;
	else
		return problem_set(problem, "--attach: '%s' is no way to attach; say tcx or clsact",
				   text);
	return 0;
}

/* How often an option is given: a list takes commas, repetition, and the arguments
 * that follow; a flag takes nothing. */
enum option_form { ONCE, LIST, FLAG };

static const struct run_option {
	const char *name;
	enum option_form form;
	int (*take)(struct config *config, const char *text, struct problem *problem);
} run_options[] = {
	{"dev", LIST, take_dev},
	{"server-dev", LIST, take_server_dev},
	{"clients", ONCE, config_set_clients},
	{"port", LIST, take_port},
	{"server", LIST, config_add_server},
	{"vip", LIST, config_add_virtual},
	{"balance", ONCE, config_set_balance},
	{"health-interval", ONCE, config_set_health_interval},
	{"health-timeout", ONCE, config_set_health_timeout},
	{"health-rise", ONCE, config_set_health_rise},
	{"health-fall", ONCE, config_set_health_fall},
	{"advertise", LIST, take_advertise},
	{"dns-interval", ONCE, take_dns_interval},
	{"data-ports", ONCE, take_data_ports},
	{"tls-data-ports", ONCE, config_set_tls_ports},
	{"rewrite", ONCE, config_set_rewrite},
	{"forward", ONCE, config_set_forward},
	{"source", LIST, flow_take_source},
	{"client-address", ONCE, flow_take_client_address},
	{"toa-kind", ONCE, flow_take_toa_kind},
	{"path", ONCE, flow_take_path},
	{"xdp", ONCE, flow_take_xdp},
	{"max-sessions", ONCE, flow_take_max_sessions},
	{"timeout", LIST, flow_take_timeout},
	{"expect-timeout", ONCE, take_expect_timeout},
	{"allow", LIST, take_allow},
	{"fxp", FLAG, take_fxp},
	{"listen", ONCE, take_listen},
	{"attach", ONCE, take_attach},
};

#define RUN_OPTIONS (sizeof(run_options) / sizeof(run_options[0]))

static int take_list(const struct run_option *option, struct config *config, char *text,
		     struct problem *problem)
{
	char *item;
	int err;

	while ((item = strsep(&text, ","))) {
		err = option->take(config, item, problem);
		if (err)
			return err;
	}
	return 0;
}

static int take_option(const struct run_option *option, bool *given, struct config *config,
		       char *text, struct problem *problem)
{
	if (option->form == LIST)
		return take_list(option, config, text, problem);
	if (*given && option->form == ONCE)
		return problem_set(problem, "--%s: given twice; give it once", option->name);
	*given = true;
	return option->take(config, text, problem);
}

static int unexpected(const char *text, struct problem *problem)
{
	return problem_set(problem, "'%s' is not expected here; see ftpfix --help", text);
}

static int read_run(int argc, char **argv, struct config *config, struct problem *problem)
{
	struct option options[RUN_OPTIONS + 2] = {0};
	const struct run_option *list = NULL;
	bool given[RUN_OPTIONS] = {false};
	int code, err = 0;

	for (size_t i = 0; i < RUN_OPTIONS; i++)
		options[i] = (struct option){run_options[i].name,
					     run_options[i].form == FLAG ? no_argument
									 : required_argument,
					     NULL, OPTION_FIRST + (int)i};
	options[RUN_OPTIONS] = (struct option){"help", no_argument, NULL, OPTION_HELP};

	while (!err && (code = getopt_long(argc, argv, "-h", options, NULL)) != -1) {
		const struct run_option *option = NULL;

		if (code == OPTION_HELP) {
			options_help();
			return 1;
		}
		if (code == ARGUMENT)
			option = list;
		else if (code >= OPTION_FIRST)
			option = &run_options[code - OPTION_FIRST];
		else
			return problem_set(problem, "run: see ftpfix --help for its options");
		if (!option)
			return unexpected(optarg, problem);
		err = take_option(option, &given[option - run_options], config, optarg, problem);
		list = option->form == LIST ? option : NULL;
	}
	if (!err && optind < argc)
		err = unexpected(argv[optind], problem);
	return err;
}

int options_run(int argc, char **argv, struct config *config)
{
	struct problem problem;
	int err;

	config_init(config);
	err = read_run(argc, argv, config, &problem);
	if (!err)
		err = config_complete(config, &problem);
	if (err < 0)
		log_problem(&problem);
	if (err)
		config_free(config);
	return err;
}

static int take_word(struct client_options *options, const char *word, struct problem *problem)
{
	if (options->word_count == WORDS_MAX)
		return unexpected(word, problem);
	options->word[options->word_count++] = word;
	return 0;
}

int options_client(int argc, char **argv, bool takes_json, struct client_options *options)
{
	static const struct option known[] = {
		{"dev", required_argument, NULL, 'd'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, OPTION_HELP},
		{NULL, 0, NULL, 0},
	};
	struct problem problem;
	int code, err = 0;

	memset(options, 0, sizeof(*options));
	while (!err && (code = getopt_long(argc, argv, "-h", known, NULL)) != -1) {
		if (code == OPTION_HELP) {
			options_help();
			return 1;
		}
		if (code == ARGUMENT)
			err = take_word(options, optarg, &problem);
		else if (code == 'd')
			options->device = optarg;
		else if (code == 'j' && takes_json)
			options->json = true;
		else
			err = problem_set(&problem, "%s: see ftpfix --help for its options",
					  argv[0]);
	}
	while (!err && optind < argc)
		err = take_word(options, argv[optind++], &problem);
	if (err)
		log_problem(&problem);
	return err;
}
