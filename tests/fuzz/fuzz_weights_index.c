/* SPDX-License-Identifier: MIT */
/* The index of sharded safetensors from bytes, in a folder with two shards. What it names outside
 * of the folder is never opened: what opens has its tensors from the two. */
#include "../unit/weights_maker.h"

static struct temp_folder folder;

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void remove_folder(void)
{
    folder_close(&folder);
}

static void make_folder(void)
{
    folder_open(&folder);
    atexit(remove_folder);
    folder_put_safetensors(&folder, "m1",
                           "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2);
    folder_put_safetensors(&folder, "m2",
                           "{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                           "\"c\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[3,7]}}",
                           7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weights *w = NULL;
    struct err e = {""};
    if (!folder.path[0])
        make_folder();
    folder_put(&folder, "model.safetensors.index.json", span_of(data, size));
    if (weights_open(&w, folder.path, &e)) {
        require(e.text[0] != 0 && w == NULL);
        return 0;
    }
    size_t n = weights_tensor_count(w);
    require(n >= 1 && n <= 3);
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = weights_tensor_at(w, i);
        require(strlen(t->name) == 1 && t->name[0] >= 'a' && t->name[0] <= 'c');
        require(weights_tensor(w, t->name) == t);
    }
    weights_close(&w);
    return 0;
}
