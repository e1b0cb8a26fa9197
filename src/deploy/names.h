/* SPDX-License-Identifier: MIT */
/* Names that every target takes, and sizes as they are given to Docker and Kubernetes. */
#ifndef WATTLE_DEPLOY_NAMES_H
#define WATTLE_DEPLOY_NAMES_H

#include "base/base.h"

/* Less than the 63 of a DNS label: a StatefulSet's name gets 11 bytes more on its pods' labels. */
enum { SERVICE_NAME_SIZE = 53 };

/* A DNS label of RFC 1123 that begins with a letter, made of a device's name, whatever that holds:
 * letters of ASCII (in lower case), digits and '-' stay, each other character becomes one '-'.
 * suffix: at the end, kept whole. Different suffixes give different names. */
void service_name(char out[SERVICE_NAME_SIZE], const char *name, const char *suffix);
bool is_dns_label(const char *name); /* RFC 1123, 1 to 63 bytes */

/* "512Mi" for a number of bytes, as Kubernetes writes it. */
enum { QUANTITY_SIZE = 32 };
void put_quantity(char out[QUANTITY_SIZE], uint64_t bytes);

#endif
