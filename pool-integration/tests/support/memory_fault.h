/* SPDX-License-Identifier: ISC
 *
 * Memory that runs out when a test says so: malloc, calloc, realloc, strdup, strndup and vasprintf of the pool and its tests (by the
 * linker's --wrap; not of libc, libcrypto and other shared objects).
 */
#ifndef EVPOOL_MEMORY_FAULT_H
#define EVPOOL_MEMORY_FAULT_H

/* The next `allowed` allocations of this thread succeed, those after them fail, until memory_fault_end(). */
void memory_fault_after(unsigned allowed);
/* As before, but only the next one after those fails. */
void memory_fault_once_after(unsigned allowed);
/* Memory is back. Returns how many allocations failed. */
unsigned memory_fault_end(void);

#endif /* EVPOOL_MEMORY_FAULT_H */
