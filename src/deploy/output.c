/* SPDX-License-Identifier: MIT */
#include "deploy/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- in memory ---- */

struct buf *output_add(struct deploy *d, const char *name, bool secret)
{
    if (!name || d->n_files == OUTPUT_FILES_MAX)
        return NULL;
    struct buf *text = &d->texts[d->n_files];
    buf_init(text, OUTPUT_BYTES_MAX);
    d->files[d->n_files++] = (struct deploy_file){.name = name, .secret = secret};
    return text;
}

void output_head(struct buf *out, const struct plan *p)
{
    buf_printf(out, "# Written by wattle %s for %zu %s\n", WATTLE_VERSION, p->n_devices,
               plural(p->n_devices, "device", "devices"));
}

static int make_texts(struct deploy *d, struct err *e)
{
    switch (d->plan.o->target) {
    case DEPLOY_COMPOSE:
        return compose_make(d, e);
    case DEPLOY_SWARM:
        return swarm_make(d, e);
    case DEPLOY_KUBERNETES:
        return kubernetes_make(d, e);
    case DEPLOY_SYSTEMD:
        return systemd_make(d, e);
    }
    return ERR_USAGE;
}

static int allocate(struct deploy *d, struct err *e)
{
    struct arena *a = &d->plan.arena;
    d->files = arena_array(a, OUTPUT_FILES_MAX, sizeof *d->files);
    d->texts = arena_array(a, OUTPUT_FILES_MAX, sizeof *d->texts);
    d->folders = arena_array(a, OUTPUT_FILES_MAX, sizeof *d->folders);
    d->output = plan_printf(&d->plan, "%s", d->plan.o->output);
    return d->files && d->texts && d->folders && d->output
               ? 0
               : err_set(e, ERR_NOMEM, "no memory for the files");
}

int deploy_make(struct deploy **out, const struct deploy_options *o, struct err *e)
{
    struct deploy *d = calloc(1, sizeof *d);
    if (!d)
        return err_set(e, ERR_NOMEM, "no memory for the files");
    int rc = plan_make(&d->plan, o, e);
    if (rc) {
        free(d);
        return rc;
    }
    rc = allocate(d, e);
    if (!rc)
        rc = make_texts(d, e);
    for (size_t i = 0; !rc && i < d->n_files; i++) {
        rc = buf_check(&d->texts[i], d->files[i].name, e);
        d->files[i].bytes = buf_view(&d->texts[i]);
        if (!rc && d->files[i].secret && strcmp(d->output, "-") != 0)
            plan_note(&d->plan, "'%s' holds a secret: only you may read it", d->files[i].name);
    }
    d->plan.o = NULL; /* borrowed for the call */
    if (rc)
        deploy_free(&d);
    else
        *out = d;
    return rc;
}

void deploy_free(struct deploy **d)
{
    if (!*d)
        return;
    for (size_t i = 0; i < (*d)->n_files; i++)
        buf_release(&(*d)->texts[i]);
    plan_release(&(*d)->plan);
    free(*d);
    *d = NULL;
}

size_t deploy_n_files(const struct deploy *d)
{
    return d->n_files;
}

const struct deploy_file *deploy_file(const struct deploy *d, size_t i)
{
    return &d->files[i];
}

size_t deploy_n_notes(const struct deploy *d)
{
    return d->plan.n_notes;
}

const char *deploy_note(const struct deploy *d, size_t i)
{
    return d->plan.notes[i];
}

const char *deploy_next(const struct deploy *d)
{
    return d->next;
}

size_t deploy_n_folders(const struct deploy *d)
{
    return d->n_folders;
}

const char *deploy_folder(const struct deploy *d, size_t i)
{
    return d->folders[i];
}

/* ---- on disk ---- */

static char *path_of(const struct deploy *d, size_t i)
{
    struct buf path;
    buf_init(&path, 1 << 16);
    buf_str(&path, d->output);
    if (d->folder)
        buf_printf(&path, "/%s", d->files[i].name);
    return buf_steal(&path);
}

/* True where a file is there and holds these very bytes. */
static bool is_same(const char *path, struct span bytes)
{
    struct buf held;
    buf_init(&held, bytes.n + 1);
    bool same = file_read_regular(path, &held, NULL) == 0 && span_eq(buf_view(&held), bytes);
    buf_release(&held);
    return same;
}

static int refuse(const char *path, struct err *e)
{
    return err_set(e, ERR_USAGE, "cannot write '%s': it is there already, --force replaces it",
                   path);
}

/* Renames without replacing; where the file system cannot say so, by a look before. */
static int put_in_place(const char *part, const char *path, bool force, struct err *e)
{
    struct stat st;
    if (!force) {
        if (renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno == EEXIST)
            return refuse(path, e);
        if (errno != EINVAL && errno != ENOSYS)
            return err_errno(e, errno, "cannot write '%s'", path);
        if (lstat(path, &st) == 0)
            return refuse(path, e);
    }
    return rename(part, path) == 0 ? 0 : err_errno(e, errno, "cannot write '%s'", path);
}

static int write_whole(int fd, struct span bytes)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes = span_sub(bytes, (size_t)n, bytes.n);
    }
    return fsync(fd);
}

/* file_write_atomic has neither a mode nor a refusal to replace. */
static int write_file(const char *path, const struct deploy_file *f, bool force, struct err *e)
{
    mode_t mode = f->secret ? 0600 : f->program ? 0755 : 0644;
    struct buf part;
    buf_init(&part, 1 << 16);
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash + 1 - path) : 0;
    buf_put(&part, path, folder);
    buf_printf(&part, ".wattle-%ld.part", (long)getpid());
    int rc = buf_check(&part, "the path of the file", e);
    if (rc)
        return rc;
    int fd = open(buf_cstr(&part), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        rc = err_errno(e, errno, "cannot write '%s'", path);
        goto done;
    }
    if (write_whole(fd, f->bytes) != 0)
        rc = err_errno(e, errno, "cannot write '%s'", path);
    if (close(fd) != 0 && !rc)
        rc = err_errno(e, errno, "cannot write '%s'", path);
    if (!rc)
        rc = put_in_place(buf_cstr(&part), path, force, e);
    if (rc)
        unlink(buf_cstr(&part));
done:
    buf_release(&part);
    return rc;
}

/* All are looked at before the first is written. */
static int look_first(const struct deploy *d, bool force, struct err *e)
{
    struct stat st;
    int rc = 0;
    for (size_t i = 0; !rc && i < d->n_files; i++) {
        char *path = path_of(d, i);
        if (!path)
            return err_set(e, ERR_NOMEM, "no memory for the files");
        rc = file_check_replaceable(path, e);
        if (!rc && !force && lstat(path, &st) == 0 && !is_same(path, d->files[i].bytes))
            rc = refuse(path, e);
        free(path);
    }
    return rc;
}

/* Made-up secrets, for the containers' user alone. Before what names them. */
static int write_made(const struct deploy *d, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < d->plan.n_made; i++) {
        const struct made_file *made = &d->plan.made[i];
        struct deploy_file f = {.bytes = made->bytes, .secret = true};
        struct buf folder;
        buf_init(&folder, 1 << 16);
        buf_put(&folder, made->path, (size_t)(strrchr(made->path, '/') - made->path));
        rc = buf_check(&folder, "the path of the secrets", e);
        if (!rc)
            rc = file_make_dirs(buf_cstr(&folder), e);
        if (!rc)
            rc = write_file(made->path, &f, false, e);
        if (!rc && geteuid() == 0 &&
            (chown(made->path, d->plan.user, d->plan.group) != 0 ||
             chown(buf_cstr(&folder), d->plan.user, d->plan.group) != 0))
            rc = err_errno(e, errno, "cannot give '%s' to user %u", made->path, d->plan.user);
        buf_release(&folder);
    }
    return rc;
}

int deploy_write(const struct deploy *d, bool force, struct err *e)
{
    int rc = look_first(d, force, e);
    if (!rc)
        rc = write_made(d, e);
    if (!rc && d->folder)
        rc = file_make_dirs(d->output, e);
    for (size_t i = 0; !rc && i < d->n_files; i++) {
        char *path = path_of(d, i);
        if (!path)
            return err_set(e, ERR_NOMEM, "no memory for the files");
        if (force || !is_same(path, d->files[i].bytes))
            rc = write_file(path, &d->files[i], force, e);
        else if (d->files[i].secret && chmod(path, 0600) != 0)
            rc = err_errno(e, errno, "cannot protect '%s'", path);
        free(path);
    }
    return rc;
}

/* A folder that is there is somebody's, and stays as it is, but for one that root made before, by a
 * run without containers: there they could not write. */
static int take_folder(const char *path, const struct deploy *d, struct err *e)
{
    struct stat st;
    int rc = 0, fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_uid == d->plan.user || st.st_mode & S_IWOTH) {
        /* a link, or theirs already */
    } else if (geteuid() == 0 && st.st_uid == 0) {
        if (fchown(fd, d->plan.user, d->plan.group) != 0)
            rc = err_errno(e, errno, "cannot give '%s' to user %u", path, d->plan.user);
    } else {
        log_warning("'%s' belongs to user %u: the containers, which run as user %u, may not write "
                    "there",
                    path, st.st_uid, d->plan.user);
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

int deploy_make_folders(const struct deploy *d, struct err *e)
{
    struct stat st;
    int rc = 0;
    for (size_t i = 0; !rc && i < d->n_folders; i++) {
        const char *path = d->folders[i];
        if (stat(path, &st) == 0) {
            rc = take_folder(path, d, e);
            continue;
        }
        rc = file_make_dirs(path, e);
        /* Run by root, who gives it to the image's user. */
        if (!rc && geteuid() == 0 && chown(path, d->plan.user, d->plan.group) != 0)
            rc = err_errno(e, errno, "cannot give '%s' to user %u", path, d->plan.user);
    }
    return rc;
}
