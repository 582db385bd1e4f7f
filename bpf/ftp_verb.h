/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The verbs of FTP commands. Four letters are one number, so that the list is a
 * switch and no table in memory. Pure C over a buffer; it does not know where
 * lines begin, nor what stands behind a verb.
 */
#ifndef FTPFIX_FTP_VERB_H
#define FTPFIX_FTP_VERB_H

#include <linux/types.h>

enum ftp_verb {
	FTP_VERB_UNKNOWN,
	FTP_VERB_OTHER, /* a known verb without interest */
	FTP_VERB_PASV,
	FTP_VERB_EPSV,
	FTP_VERB_EPSV_ALL, /* asks for no address: RFC 2428 section 4 */
	FTP_VERB_PORT,
	FTP_VERB_EPRT,
	FTP_VERB_HOST,
	FTP_VERB_AUTH,
	FTP_VERB_LONG, /* LPSV and LPRT of RFC 1639, which nobody speaks */
	FTP_VERB_CCC,
};

/* The bytes from the start of a text that ftp_verb_of() may look at. */
#define FTP_VERB_BYTES 8

static inline int ftp_line_end(char byte)
{
	return byte == '\r' || byte == '\n' || byte == 0;
}

static inline int ftp_word_end(char byte)
{
	return byte == ' ' || ftp_line_end(byte);
}

/* Four bytes as the number that a four-character constant is, letters in upper
 * case: 'PASV' for "pasv". All four at once and without a branch, of which the
 * verifier would walk each way. */
static inline __u32 ftp_word(const char *text)
{
	__u32 word = (__u32)(__u8)text[0] << 24 | (__u32)(__u8)text[1] << 16 |
		     (__u32)(__u8)text[2] << 8 | (__u8)text[3];
	__u32 low = word & 0x7f7f7f7f;
	/* The high bit of each byte that is 'a' to 'z'; or above ASCII, where no
	 * constant is. */
	__u32 lower = (low + 0x1f1f1f1f) & ~(low + 0x05050505) & 0x80808080;

	return word - (lower >> 2);
}

/* Whether "XSHA" goes on as the verb of a digest: XSHA1, XSHA256, XSHA512. */
static inline int ftp_verb_digest(const char *text)
{
	__u32 word = ftp_word(text + 4);

	if (text[4] == '1')
		return ftp_word_end(text[5]);
	if (!ftp_word_end(text[7]))
		return 0;
	word = (word & ~255u) | ' ';
	return word == '256 ' || word == '512 ';
}

/* The verb that a text of at least FTP_VERB_BYTES starts with, in any case. It
 * ends at a space or at the end of the line. */
static inline enum ftp_verb ftp_verb_of(const char *text)
{
	__u32 word = ftp_word(text);

	if (ftp_word_end(text[3]))
		word = (word & ~255u) | ' ';
	else if (!ftp_word_end(text[4]))
		return word == 'XSHA' && ftp_verb_digest(text) ? FTP_VERB_OTHER : FTP_VERB_UNKNOWN;
	switch (word) {
	case 'PASV':
		return FTP_VERB_PASV;
	case 'EPSV':
		return FTP_VERB_EPSV;
	case 'PORT':
		return FTP_VERB_PORT;
	case 'EPRT':
		return FTP_VERB_EPRT;
	case 'HOST':
		return FTP_VERB_HOST;
	case 'AUTH':
		return FTP_VERB_AUTH;
	case 'CCC ':
		return FTP_VERB_CCC;
	case 'LPSV':
	case 'LPRT':
		return FTP_VERB_LONG;
	/* clang-format off */
	/* RFC 959 */
	case 'USER': case 'PASS': case 'ACCT': case 'CWD ': case 'CDUP': case 'SMNT':
	case 'REIN': case 'QUIT': case 'TYPE': case 'STRU': case 'MODE': case 'RETR':
	case 'STOR': case 'STOU': case 'APPE': case 'ALLO': case 'REST': case 'RNFR':
	case 'RNTO': case 'ABOR': case 'DELE': case 'RMD ': case 'MKD ': case 'PWD ':
	case 'LIST': case 'NLST': case 'SITE': case 'SYST': case 'STAT': case 'HELP':
	case 'NOOP':
	/* RFC 775; RFC 737 and RFC 743, from when FTP was mail */
	case 'XMKD': case 'XRMD': case 'XPWD': case 'XCWD': case 'XCUP':
	case 'XSEN': case 'XSEM': case 'XMAS': case 'XRSQ': case 'XRCP':
	/* RFC 2228 */
	case 'ADAT': case 'PROT': case 'PBSZ': case 'MIC ': case 'CONF': case 'ENC ':
	/* RFC 2389, RFC 2640, RFC 3659 */
	case 'FEAT': case 'OPTS': case 'LANG': case 'MDTM': case 'SIZE': case 'MLST':
	case 'MLSD':
	/* No standard, but spoken by FileZilla, lftp, WinSCP, CuteFTP and others,
	 * or by GridFTP */
	case 'CLNT': case 'CSID': case 'MFMT': case 'MFCT': case 'MFF ': case 'XCRC':
	case 'XMD5': case 'XSHA': case 'MD5 ': case 'MMD5': case 'HASH': case 'RANG':
	case 'AVBL': case 'COMB': case 'DSIZ': case 'RMDA': case 'THMB': case 'XDUP':
	case 'PRET': case 'CPSV': case 'SSCN': case 'SPSV': case 'ESTA': case 'ESTP':
	case 'SPAS': case 'SPOR': case 'DCAU': case 'SBUF': case 'ERET': case 'ESTO':
		return FTP_VERB_OTHER;
	/* clang-format on */
	default:
		return FTP_VERB_UNKNOWN;
	}
}

#endif /* FTPFIX_FTP_VERB_H */
