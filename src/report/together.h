/* SPDX-License-Identifier: MIT */
/* What can be said of models only together. A part of report.h. */
#ifndef WATTLE_REPORT_TOGETHER_H
#define WATTLE_REPORT_TOGETHER_H

#include "report/comparison.h"

/* Sets c->alternated where the samples' requests and times prove it: each model answered the same
 * requests in the same order, and nobody began a request before all had answered the one of a turn
 * (1 or COMPARED_TURN) before. */
int comparison_find_turns(struct comparison *c, struct err *e);

/* Fills each sample's agreement with model `reference`: whether its verdict on the request is the
 * reference's, where that has one. c->reference becomes `reference`. One that nobody asked for is
 * given up (c->reference: -1, no agreement at all) where it gives a verdict in less than half of
 * its answers, or a model has no request in common with it or no verdicts; c->no_agreement says
 * why. */
int comparison_agree(struct comparison *c, int reference, bool asked_for, struct err *e);
/* The model with most parameters, or the largest file where some don't say; -1: not known. */
int comparison_largest(const struct comparison *c);

#endif
