/* SPDX-License-Identifier: MIT */
/* The table of the demonstration backend's options. See demo-options.h. */
#include "demo-options.h"

#define AT(member) G_STRUCT_OFFSET (MrDemoOptions, member)

static const MrOption options[] = {
  { .name = "listen",
    .type = MR_OPTION_STRING,
    .offset = AT (listen),
    .default_value = "127.0.0.1:0",
    .argument = "ADDRESS:PORT",
    .help = "Where to listen; port 0 takes a free one" },
  { .name = "model",
    .type = MR_OPTION_STRV,
    .offset = AT (models),
    .default_value = "demo",
    .argument = "NAME",
    .help = "A model name to list" },
  { .name = "tokens-per-second",
    .type = MR_OPTION_NUMBER,
    .offset = AT (tokens_per_second),
    .default_value = "30",
    .max = 1000000,
    .argument = "N",
    .help = "Pace of each answer; 0 for as fast as the client reads" },
  { .name = "slots",
    .type = MR_OPTION_UINT,
    .offset = AT (slots),
    .default_value = "4",
    .min = 1,
    .max = 1000000,
    .argument = "N",
    .help = "Answers written at the same time; more wait" },
  { NULL },
};

const MrProgram mr_demo_program = {
  .name = "modelrelay-demo-backend",
  .summary = "Answers the OpenAI and Anthropic HTTP APIs without any model, to try ModelRelay where no model server "
             "runs.",
  .options = options,
};
