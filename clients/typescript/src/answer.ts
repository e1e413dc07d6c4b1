import {
  ApiError,
  type ApiErrorDetails,
  BadRequestError,
  ConflictError,
  ForbiddenError,
  GatewayTimeoutError,
  IdempotencyKeyReusedError,
  InvalidResponseError,
  NotFoundError,
  PayloadTooLargeError,
  ServerError,
  TooManyRequestsError,
  UnauthorizedError,
  UnavailableError,
} from './errors.js';
import { isObject, parse, type Shape } from './json.js';

/** An HTTP response with its whole body. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

const BY_STATUS: Readonly<Record<number, typeof ApiError>> = {
  400: BadRequestError,
  401: UnauthorizedError,
  403: ForbiddenError,
  404: NotFoundError,
  409: ConflictError,
  413: PayloadTooLargeError,
  422: IdempotencyKeyReusedError,
  429: TooManyRequestsError,
  503: UnavailableError,
  504: GatewayTimeoutError,
};

/** Proxies send 502 when they cannot reach the server. */
const TRANSIENT: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * Returns the body of a success.
 *
 * @throws {@link ApiError} if the status is an error.
 * @throws {@link InvalidResponseError} if the body has another shape.
 */
export function result<T>(answer: Answer, shape: Shape<T>): T {
  const body = parse(answer.text);
  if (answer.status < 200 || answer.status > 299) throw apiError(answer, body);
  if (!shape(body)) throw new InvalidResponseError(answer.status, answer.headers.get('x-request-id'));
  return body;
}

function apiError({ status, headers }: Answer, body: unknown): ApiError {
  const kind = BY_STATUS[status] ?? (status >= 500 ? ServerError : ApiError);
  return new kind({
    status,
    requestId: headers.get('x-request-id'),
    retryAfter: seconds(headers.get('retry-after')),
    ...detailsIn(isObject(body) ? body['error'] : undefined, status),
  });
}

type BodyDetails = Pick<ApiErrorDetails, 'message' | 'type' | 'code' | 'param' | 'isTransient'>;

/** Reads `error` of a body. It is a text for system events, an object for notifications, and anything from a proxy. */
function detailsIn(error: unknown, status: number): BodyDetails {
  const fields = isObject(error) ? error : { message: error };
  const transient = fields['is_transient'];
  return {
    message: text(fields['message']) ?? `HTTP status ${status}`,
    type: text(fields['type']),
    code: text(fields['code']),
    param: text(fields['param']),
    isTransient: typeof transient === 'boolean' ? transient : TRANSIENT.has(status),
  };
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** Returns how many seconds Retry-After says. It holds seconds or a date (RFC 9110, section 10.2.3). */
function seconds(value: string | null): number | null {
  if (value === null) return null;
  if (/^\d+$/.test(value)) return Number(value);
  const milliseconds = Date.parse(value) - Date.now();
  return Number.isNaN(milliseconds) ? null : Math.max(0, Math.ceil(milliseconds / 1000));
}
