/* kexec-load KERNEL INITRD CMDLINE: loads a kernel that is started when this one crashes, by kexec_file_load(2). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char** arguments)
{
    if (count != 4) {
        fprintf(stderr, "usage: kexec-load KERNEL INITRD CMDLINE\n");
        return 2;
    }
    int kernel = open(arguments[1], O_RDONLY);
    int initrd = open(arguments[2], O_RDONLY);
    if (kernel < 0 || initrd < 0) {
        perror(kernel < 0 ? arguments[1] : arguments[2]);
        return 1;
    }
    if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(arguments[3]) + 1, arguments[3], KEXEC_FILE_ON_CRASH) != 0) {
        perror("kexec_file_load");
        return 1;
    }
    return 0;
}
