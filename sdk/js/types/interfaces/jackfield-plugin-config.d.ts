declare module 'jackfield:plugin/config@0.1.0' {
  /**
   * The setting's value, or none if the environment does not set it. Text is
   * given as it is; a number, a boolean, a list or a table as JSON.
   * 
   * Recorded like a read: what a retried run replays sees the same value.
   */
  export function get(name: string): string | undefined;
  /**
   * Every granted setting that has a value, by name in ascending order.
   */
  export function getAll(): Array<[string, string]>;
  /**
   * Why a setting could not be read.
   */
  export type Error = ErrorAccessDenied;
  /**
   * The manifest does not grant this name. The text is the line to add.
   */
  export interface ErrorAccessDenied {
    tag: 'access-denied',
    val: string,
  }
}
