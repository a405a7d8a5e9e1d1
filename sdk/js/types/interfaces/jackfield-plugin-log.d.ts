/// <reference path="./jackfield-plugin-types.d.ts" />
declare module 'jackfield:plugin/log@0.1.0' {
  /**
   * Writes one line. The host adds the time and the run.
   * 
   * Never fails and never blocks: lines below the level set for the
   * environment are dropped, a message over 64 KiB is cut, and beyond 10,000
   * lines or 1 MiB an attempt the rest is counted and dropped. What is printed to standard
   * output and standard error becomes lines too, at `info` and `warn`.
   */
  export function write(level: Level, message: string, attributes: Attributes): void;
  export type Attributes = import('jackfield:plugin/types@0.1.0').Attributes;
  /**
   * How important a line is.
   * # Variants
   * 
   * ## `"trace"`
   * 
   * ## `"debug"`
   * 
   * ## `"info"`
   * 
   * ## `"warn"`
   * 
   * ## `"error"`
   */
  export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error';
}
