/** The bird. */
export function Logo({ className = 'size-6' }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" className={className}>
      <rect width="32" height="32" rx="8" fill="#4338a8" />
      <path
        d="M5 20.500c5.200.400 7.800-1.600 9.700-4.700 1.900-3.200 4.600-5.300 8.100-5.300 1.700 0 3 .600 3.900 1.500l2.300.600-2 1.300c-.200 5.200-4.400 9.600-10.300 9.600-3 0-5.400-.700-7.300-1.700z"
        fill="#fff"
      />
      <circle cx="23.200" cy="12.900" r="1" fill="#4338a8" />
      <circle cx="9" cy="9" r="1.300" fill="#b9b0ff" />
      <circle cx="13" cy="6.500" r="1" fill="#b9b0ff" />
      <circle cx="6" cy="13" r=".9" fill="#b9b0ff" />
    </svg>
  );
}
