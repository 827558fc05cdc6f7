/* In a page there is one realm. */

/** The same memory, as ONNX Runtime knows it. */
export const hostArray = <T>(data: T): T => data;

/** The same memory, as the program knows it that uses this package. */
export const localArray = <T>(data: T): T => data;
