/** An error of JetStream's API: a code as in HTTP, nats-server's error code, and a text. */
export class ApiError extends Error {
  readonly code: number
  readonly errCode: number

  constructor(code: number, errCode: number, description: string) {
    super(description)
    this.code = code
    this.errCode = errCode
  }

  toJSON(): { code: number; err_code: number; description: string } {
    return { code: this.code, err_code: this.errCode, description: this.message }
  }
}

/** Errors with nats-server's codes and texts (server/errors.json). */
export const apiErrors = {
  badRequest: () => new ApiError(400, 10003, 'bad request'),
  invalidJson: (why: string) => new ApiError(400, 10025, `invalid JSON: ${why}`),
  streamNotFound: () => new ApiError(404, 10059, 'stream not found'),
  streamNameInUse: () => new ApiError(400, 10058, 'stream name already in use with a different configuration'),
  streamMismatch: () => new ApiError(400, 10056, 'stream name in subject does not match request'),
  streamInvalidConfig: (why: string) => new ApiError(500, 10052, why),
  subjectsOverlap: () => new ApiError(400, 10065, 'subjects overlap with an existing stream'),
  replicas: () => new ApiError(500, 10074, 'replicas > 1 not supported in non-clustered mode'),
  tooManyStreams: () => new ApiError(400, 10027, 'maximum number of streams reached'),
  noMessage: () => new ApiError(404, 10037, 'no message found'),
  sequenceNotFound: (seq: number) => new ApiError(400, 10043, `sequence ${seq} not found`),
  deleteNotPermitted: () => new ApiError(500, 10057, 'message delete not permitted'),
  purgeNotPermitted: () => new ApiError(500, 10110, 'stream purge not permitted'),
  rollupNotPermitted: () => new ApiError(500, 10111, 'rollup not permitted'),
  rollupInvalid: () => new ApiError(400, 10111, 'rollup value invalid'),
  expectedStream: () => new ApiError(400, 10060, 'expected stream does not match'),
  wrongLastSequence: (last: number) => new ApiError(400, 10071, `wrong last sequence: ${last}`),
  wrongLastMessageId: (last: string) => new ApiError(400, 10070, `wrong last msg ID: ${last}`),
  ttlInvalid: () => new ApiError(400, 10165, 'invalid per-message TTL'),
  ttlDisabled: () => new ApiError(400, 10166, 'per-message TTL is disabled'),
  batchDisabled: () => new ApiError(400, 10174, 'atomic publish is disabled'),
  batchSequenceMissing: () => new ApiError(400, 10175, 'atomic publish sequence is missing'),
  batchIncomplete: () => new ApiError(400, 10176, 'atomic publish batch is incomplete'),
  batchHeader: (name: string) => new ApiError(400, 10177, `atomic publish unsupported header used: ${name}`),
  batchIdInvalid: () => new ApiError(400, 10179, 'atomic publish batch ID is invalid'),
  batchTooLarge: (most: number) => new ApiError(400, 10199, `atomic publish batch is too large: ${most}`),
  batchCommitInvalid: () => new ApiError(400, 10200, 'atomic publish batch commit is invalid'),
  batchDuplicate: () => new ApiError(400, 10201, 'atomic publish batch contains duplicate message id'),
  tooManyBatches: () => new ApiError(429, 10210, 'atomic publish too many inflight'),
  batchRollup: () => new ApiError(500, 10111, 'batch rollup sub invalid'),
  wrongSequenceInBatch: () => new ApiError(400, 10164, 'wrong last sequence'),
  schedulesDisabled: () => new ApiError(400, 10188, 'message schedules is disabled'),
  schedulePatternInvalid: () => new ApiError(400, 10189, 'message schedules pattern is invalid'),
  scheduleTargetInvalid: () => new ApiError(400, 10190, 'message schedules target is invalid'),
  scheduleTtlInvalid: () => new ApiError(400, 10191, 'message schedules invalid per-message TTL'),
  scheduleRollupInvalid: () => new ApiError(400, 10192, 'message schedules invalid rollup'),
  scheduleSourceInvalid: () => new ApiError(400, 10203, 'message schedules source is invalid'),
  schedulerInvalid: () => new ApiError(400, 10212, 'message schedules invalid scheduler'),
  scheduleZoneInvalid: () => new ApiError(400, 10223, 'message schedules time zone is invalid'),
  messageTooLarge: () => new ApiError(400, 10054, 'message size exceeds maximum allowed'),
  storeFailed: (why: string) => new ApiError(503, 10077, why),
  duplicateSource: () => new ApiError(400, 10140, 'duplicate source configuration detected'),
  sourceFilterAndTransforms: () =>
    new ApiError(400, 10144, 'source with multiple subject transforms cannot also have a single subject filter'),
  sourceTransform: (dest: string) =>
    new ApiError(
      400,
      10146,
      `source transform: invalid mapping destination: ${dest} (the embedded broker knows wildcard and partition)`,
    ),
  sourceFilters: () => new ApiError(400, 10147, 'source filters can not overlap'),
  insufficientResources: (why: string) => new ApiError(503, 10023, why),
  consumerNotFound: () => new ApiError(404, 10014, 'consumer not found'),
  consumerNameInUse: () => new ApiError(400, 10013, 'consumer name already in use'),
  consumerExists: () => new ApiError(400, 10148, 'consumer already exists'),
  consumerDoesNotExist: () => new ApiError(400, 10149, 'consumer does not exist'),
  invalidPriorityGroup: () => new ApiError(400, 10160, 'Provided priority group does not exist for this consumer'),
  consumerCreate: (why: string) => new ApiError(500, 10012, why),
  tooManyConsumers: () => new ApiError(400, 10026, 'maximum consumers limit reached'),
  durableInEphemeralRequest: () =>
    new ApiError(400, 10020, 'consumer expected to be ephemeral but a durable name was set in request'),
  durableNameMismatch: () =>
    new ApiError(400, 10017, 'consumer name in subject does not match durable name in request'),
  filterMismatch: () =>
    new ApiError(400, 10131, 'Consumer create request did not match filtered subject from create subject'),
  bothFilters: () => new ApiError(400, 10136, 'consumer cannot have both FilterSubject and FilterSubjects specified'),
  filtersOverlap: () => new ApiError(400, 10138, 'consumer subject filters cannot overlap'),
  deliverPolicy: (why: string) => new ApiError(400, 10094, `consumer delivery policy is ${why}`),
  deliverCycle: () => new ApiError(400, 10081, 'consumer deliver subject forms a cycle'),
  deliverWildcard: () => new ApiError(400, 10079, 'consumer deliver subject has wildcards'),
  pushMaxWaiting: () => new ApiError(400, 10080, 'consumer in push mode can not set max waiting'),
  heartbeatTooSmall: () => new ApiError(400, 10083, 'consumer idle heartbeat needs to be >= 100ms'),
  heartbeatNeedsPush: () => new ApiError(400, 10088, 'consumer idle heartbeat requires a push based consumer'),
  flowControlNeedsPush: () => new ApiError(400, 10089, 'consumer flow control requires a push based consumer'),
  flowControlNeedsHeartbeat: () => new ApiError(400, 10108, 'consumer with flow control also needs heartbeats'),
} as const

/** Any other error is one of the store. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  return apiErrors.storeFailed(`the embedded broker's store failed: ${error instanceof Error ? error.message : error}`)
}
