/* A plugin of QEMU that counts the instructions of the emulated program.
 *
 * The program marks a place by lseek(MARK, number, ...), which fails and does nothing else; the plugin then
 * appends "number instructions-so-far" to the file that the environment names in COUNT. Counts are right for
 * programs of one thread. Debian ships no header for plugins: what is used of it (version 1) is declared here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MARK (-20260704)

struct qemu_plugin_tb;
typedef uint64_t plugin_id;
typedef void (*on_block)(plugin_id, struct qemu_plugin_tb *);
typedef void (*on_syscall)(plugin_id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                           uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_block);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, on_syscall);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *counter, uint64_t added);

int qemu_plugin_version = 1;
static uint64_t instructions;
static FILE *counts;

static void count_block(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, 0 /* add */, &instructions, qemu_plugin_tb_n_insns(block));
}

static void note_mark(plugin_id id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                      uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)cpu, (void)number, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if ((int32_t)a1 == MARK) {
        fprintf(counts, "%" PRIu64 " %" PRIu64 "\n", a2, instructions);
        fflush(counts);
    }
}

int qemu_plugin_install(plugin_id id, const void *machine, int argc, char **argv)
{
    (void)machine, (void)argc, (void)argv;
    const char *path = getenv("COUNT");
    counts = path ? fopen(path, "w") : NULL;
    if (!counts)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, count_block);
    qemu_plugin_register_vcpu_syscall_cb(id, note_mark);
    return 0;
}
