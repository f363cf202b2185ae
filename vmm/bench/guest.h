/* What guest.S and its host agree on. */
#pragma once

#define bare_port 0x80 /* nothing waits for it */
#define end_port 0x81
