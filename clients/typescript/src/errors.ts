/** The base of all errors of this package. When the caller's signal fires, the error is the signal's reason instead. */
export abstract class ReadStateError extends Error {
  /** True if the same call may succeed a moment later. */
  abstract readonly isTransient: boolean;
}

/** The client could not reach the server, or it lost the connection before the end of the answer. See `cause`. */
export class NetworkError extends ReadStateError {
  static { this.prototype.name = 'NetworkError'; }
  readonly isTransient = true;
}

/** No complete answer arrived in time. The call may still have had its effect. */
export class TimeoutError extends ReadStateError {
  static { this.prototype.name = 'TimeoutError'; }
  readonly isTransient = true;

  constructor(
    /** The time that the call had, in milliseconds. */
    readonly timeout: number,
  ) {
    super(`no answer within ${timeout} ms`);
  }
}

/** A success with a body that readstate does not send. A proxy or another server has answered. */
export class InvalidResponseError extends ReadStateError {
  static { this.prototype.name = 'InvalidResponseError'; }
  readonly isTransient = false;

  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** The id of the request in the server's log, if readstate has answered. */
    readonly requestId: string | null,
  ) {
    // The body may hold secrets, and applications log errors. So the message does not quote it.
    super(`the answer ${status} is not what readstate sends`);
  }
}

/** The parts of an {@link ApiError}. */
export interface ApiErrorDetails {
  status: number;
  message: string;
  requestId: string | null;
  retryAfter: number | null;
  type: string | null;
  code: string | null;
  param: string | null;
  isTransient: boolean;
}

/** The server answered with an error status. `message` is its text. Common statuses have their own classes. */
export class ApiError extends ReadStateError {
  static { this.prototype.name = 'ApiError'; }
  /** The HTTP status. */
  readonly status: number;
  /** The id of the request in the server's log. It is null if the answer has none, or if the browser hides it. */
  readonly requestId: string | null;
  /** After this many seconds the same call may succeed. It is null if the server does not say. */
  readonly retryAfter: number | null;
  /** For calls below `/v1`: `invalid_request_error`, `idempotency_error` or `api_error`. */
  readonly type: string | null;
  /** For calls below `/v1`: the stable name of the cause, such as `notification_not_found`. */
  readonly code: string | null;
  /** For calls below `/v1`: the name of the wrong parameter. */
  readonly param: string | null;
  readonly isTransient: boolean;

  constructor(details: ApiErrorDetails) {
    super(details.message);
    this.status = details.status;
    this.requestId = details.requestId;
    this.retryAfter = details.retryAfter;
    this.type = details.type;
    this.code = details.code;
    this.param = details.param;
    this.isTransient = details.isTransient;
  }
}

/** 400: the request is wrong. For example, it has no valid id. */
export class BadRequestError extends ApiError {
  static { this.prototype.name = 'BadRequestError'; }
}

/** 401: the token is not valid, or the server does not know the user. */
export class UnauthorizedError extends ApiError {
  static { this.prototype.name = 'UnauthorizedError'; }
}

/** 403: the user has no organisation, or the token lacks a scope. */
export class ForbiddenError extends ApiError {
  static { this.prototype.name = 'ForbiddenError'; }
}

/** 404: the user has no such notification, or `baseUrl` is wrong. */
export class NotFoundError extends ApiError {
  static { this.prototype.name = 'NotFoundError'; }
}

/** 409: the first call with this idempotency key is still running. */
export class ConflictError extends ApiError {
  static { this.prototype.name = 'ConflictError'; }
}

/** 413: the request is too large. */
export class PayloadTooLargeError extends ApiError {
  static { this.prototype.name = 'PayloadTooLargeError'; }
}

/** 422: the idempotency key belongs to another call. */
export class IdempotencyKeyReusedError extends ApiError {
  static { this.prototype.name = 'IdempotencyKeyReusedError'; }
}

/** 429: too many calls at once. See `retryAfter`. */
export class TooManyRequestsError extends ApiError {
  static { this.prototype.name = 'TooManyRequestsError'; }
}

/** 500 and above: the fault is not the caller's. */
export class ServerError extends ApiError {
  static { this.prototype.name = 'ServerError'; }
}

/** 503: the service or its database is not available. */
export class UnavailableError extends ServerError {
  static { this.prototype.name = 'UnavailableError'; }
}

/** 504: the server had too little time. The call may still have had its effect. */
export class GatewayTimeoutError extends ServerError {
  static { this.prototype.name = 'GatewayTimeoutError'; }
}
