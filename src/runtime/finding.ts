/** Something about the server or the file that keeps a queue, which an operator should know. */

export interface Finding {
  /** `danger`: a promise does not hold there. `unknown`: it could not be looked at. `note`: as it should be, or good to know. */
  kind: 'note' | 'danger' | 'unknown';
  /** One line: what is set, what it means, what to set. */
  text: string;
}
