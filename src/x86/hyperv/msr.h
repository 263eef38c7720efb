/* SPDX-License-Identifier: MIT */
/* The read and write columns of x86/hyperv/msr.def. */
#ifndef ANYKVM_X86_HYPERV_MSR_H
#define ANYKVM_X86_HYPERV_MSR_H

#include "x86/api/msr_handlers.h"

MSR_READ(hv_hypercall);
MSR_WRITE(hv_guest_os_id);
MSR_WRITE(hv_hypercall);
MSR_READ(hv_vp_index);		MSR_WRITE(hv_vp_index);
MSR_READ(hv_reset);		MSR_WRITE(hv_reset);
MSR_READ(hv_vp_runtime);	MSR_WRITE(hv_vp_runtime);
MSR_READ(hv_time_ref_count);
MSR_READ(hv_reference_tsc);	MSR_WRITE(hv_reference_tsc);
MSR_READ(hv_tsc_frequency);
MSR_READ(hv_apic_frequency);
MSR_WRITE(hv_read_only);
MSR_READ(hv_apic);		MSR_WRITE(hv_apic);
MSR_READ(hv_vp_assist_page);	MSR_WRITE(hv_vp_assist_page);
MSR_READ(hv_synic);		MSR_WRITE(hv_synic);
MSR_READ(hv_stimer);		MSR_WRITE(hv_stimer);
MSR_READ(hv_syndbg);		MSR_WRITE(hv_syndbg);
MSR_READ(hv_crash);		MSR_WRITE(hv_crash);
MSR_READ(hv_reenlightenment);	MSR_WRITE(hv_reenlightenment);
MSR_READ(hv_tsc_emulation_control); MSR_WRITE(hv_tsc_emulation_control);
MSR_READ(hv_tsc_emulation_status); MSR_WRITE(hv_tsc_emulation_status);

#endif
