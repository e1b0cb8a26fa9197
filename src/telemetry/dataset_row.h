/* SPDX-License-Identifier: MIT */
/* One row of the dataset: private to telemetry/. */
#ifndef WATTLE_TELEMETRY_DATASET_ROW_H
#define WATTLE_TELEMETRY_DATASET_ROW_H

#include "telemetry/telemetry.h"

enum dataset_column {
    COLUMN_TS,
    COLUMN_DEVICE,
    COLUMN_CO,
    COLUMN_HUMIDITY,
    COLUMN_LIGHT,
    COLUMN_LPG,
    COLUMN_MOTION,
    COLUMN_SMOKE,
    COLUMN_TEMP,
    DATASET_COLUMNS,
};

struct dataset_columns {
    size_t at[DATASET_COLUMNS]; /* the field of each column */
    size_t n;                   /* fields a row has, unknown columns included */
};

/* From the header line; ERR_FORMAT names a column that is missing or there twice. */
int dataset_columns_find(struct dataset_columns *c, const struct csv_row *header, struct err *e);

/* ERR_FORMAT with line, column, value and what was expected. device lives as long as row. */
int dataset_row_read(const struct dataset_columns *c, const struct csv_row *row, struct reading *r,
                     struct span *device, struct err *e);

#endif
