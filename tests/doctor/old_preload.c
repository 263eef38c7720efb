/* SPDX-License-Identifier: MIT */
/* A preload object of another version of anykvm. */
const char anykvm_preload_version[] = "0.0.1";
