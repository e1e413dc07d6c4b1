/** Base of every error of this package. A caller's own abort is none: it surfaces as the reason of the signal. */
export abstract class ReadStateError extends Error {
  /** Whether the same call may succeed when it is made again after a moment. */
  abstract readonly isTransient: boolean;
}

/** The server could not be reached, or the connection was lost before its answer was complete. See `cause`. */
export class NetworkError extends ReadStateError {
  static { this.prototype.name = 'NetworkError'; }
  readonly isTransient = true;
}

/** There was no complete answer in time. The call may have had its effect all the same. */
export class TimeoutError extends ReadStateError {
  static { this.prototype.name = 'TimeoutError'; }
  readonly isTransient = true;

  constructor(
    /** Milliseconds that the call had. */
    readonly timeout: number,
  ) {
    super(`no answer within ${timeout} ms`);
  }
}

/** A success whose body is not what readstate sends: something between here and the server has answered. */
export class InvalidResponseError extends ReadStateError {
  static { this.prototype.name = 'InvalidResponseError'; }
  readonly isTransient = false;

  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** What to quote to the people who run the server, if it was theirs. */
    readonly requestId: string | null,
  ) {
    // Without the body: it may hold anything, and errors are logged.
    super(`the answer ${status} is not what readstate sends`);
  }
}

/** What an answer with an error status says. */
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

/** The server answered with an error status; `message` is its text. The common ones have classes of their own. */
export class ApiError extends ReadStateError {
  static { this.prototype.name = 'ApiError'; }
  /** The HTTP status. */
  readonly status: number;
  /** What to quote to the people who run the server; null where the answer or the browser hides it. */
  readonly requestId: string | null;
  /** Seconds after which the same call may succeed, where the server says so. */
  readonly retryAfter: number | null;
  /** Of notifications: `invalid_request_error`, `idempotency_error` or `api_error`. */
  readonly type: string | null;
  /** Of notifications: the stable name of the cause, such as `notification_not_found`. */
  readonly code: string | null;
  /** Of notifications: the parameter that is at fault. */
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

/** 400: the request breaks a rule, such as no valid id. */
export class BadRequestError extends ApiError {
  static { this.prototype.name = 'BadRequestError'; }
}

/** 401: no valid token, or a user whom the server does not know. */
export class UnauthorizedError extends ApiError {
  static { this.prototype.name = 'UnauthorizedError'; }
}

/** 403: the user has no organisation, or the token lacks a scope. */
export class ForbiddenError extends ApiError {
  static { this.prototype.name = 'ForbiddenError'; }
}

/** 404: the user has no such notification, or `baseUrl` does not lead to the gateway. */
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

/** 429: too many calls at once; see `retryAfter`. */
export class TooManyRequestsError extends ApiError {
  static { this.prototype.name = 'TooManyRequestsError'; }
}

/** 500 and above: a fault that is not the caller's. */
export class ServerError extends ApiError {
  static { this.prototype.name = 'ServerError'; }
}

/** 503: the service, or what it depends on, is away. */
export class UnavailableError extends ServerError {
  static { this.prototype.name = 'UnavailableError'; }
}

/** 504: the server ran out of time. The call may have had its effect all the same. */
export class GatewayTimeoutError extends ServerError {
  static { this.prototype.name = 'GatewayTimeoutError'; }
}
