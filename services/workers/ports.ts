/** Asks for periods to be closed, durably. At least once: a request may be worked on twice, and closing does not mind. */
export interface InvoicingQueue {
  /**
   * Returns the id of the job, which follows from account, period and `early`. While such a job waits or runs there is
   * no second; one that failed starts again.
   */
  requestClose(accountId: string, period: string, early: boolean): Promise<string>;
  /** Starts every failed job again. */
  retryFailed(): Promise<void>;
}
