/** Of the server's processes, as they report it. */
export const serverVersion = '0.1.0';
